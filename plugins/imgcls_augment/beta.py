"""Numbers of the beta distribution, for how much of two images is mixed."""

from imgcls import Draws


def beta(draws: Draws, alpha: float) -> float:
    """Return a number of Beta(alpha, alpha): the inverse of its distribution function at one even number.

    Args:
        draws: random numbers of one row.
        alpha: above 0; 1 is the even distribution, less is nearer to 0 and 1.
    """
    from scipy.special import betaincinv

    return float(betaincinv(alpha, alpha, draws.uniform()[0, 0]))
