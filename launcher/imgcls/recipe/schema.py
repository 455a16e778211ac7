"""The tables of a recipe that belong to imgcls itself; the other tables are components' own options.

Each field's help line is what ``imgcls recipe show`` and the README print.
"""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt, MinLen

from imgcls.component import options

OnBadImage = Literal["fail", "skip"]
Interpolation = Literal["nearest", "bilinear", "bicubic", "lanczos"]


@options
class Input:
    """What the model is given. Unset values are the model's own published ones."""

    size: Annotated[int | None, Gt(0), "height and width in pixels"] = None
    train_size: Annotated[
        int | None, Gt(0), "the same in training, where it is another, arXiv:1906.06423; unset: size"
    ] = None
    channels: Annotated[Literal[1, 3] | None, "1: grey, 3: RGB"] = None
    mean: Annotated[tuple[float, ...] | None, MinLen(1), "subtracted, a value a channel, in 0..1"] = None
    std: Annotated[tuple[float, ...] | None, MinLen(1), "divided by, a value a channel, in 0..1"] = None
    eval_resize: Annotated[int | None, Gt(0), "shorter side in pixels before the evaluation's centre crop"] = None
    interpolation: Annotated[Interpolation | None, "with antialiasing, in training and evaluation"] = None


@options
class Start:
    """The weights that a run starts from; unset: drawn at random, as the model's paper says."""

    source: Annotated[str | None, "a file, a run's folder, https://..., or hf://OWNER/NAME[@REVISION][/FILE]"] = (
        None
    )
    sha256: Annotated[str | None, "what the file must have, in hexadecimal"] = None
    layout: Annotated[str | None, "whose names the file has, such as timm or paddle; unset: found by trying"] = (
        None
    )


@options
class Distill:
    """Learning from another model's answers, too; ``model`` is a table of its own, as the recipe's model is."""

    method: Annotated[
        Literal["soft", "ssld", "dml"] | None,
        "soft: from labels and a teacher, arXiv:1503.02531; ssld: from a teacher alone, arXiv:2103.05959; "
        "dml: two models learn side by side, each from the other too, the first is served, arXiv:1706.00384",
    ] = None
    teacher: Annotated[
        str | None, "a finished run's folder, a checkpoint's, or with distill.model whatever weights.source can be"
    ] = None
    sha256: Annotated[str | None, "what the teacher's file must have, in hexadecimal"] = None
    layout: Annotated[str | None, "whose names it has, such as timm or paddle; unset: found by trying"] = None
    temperature: Annotated[
        float | None, Gt(0), "that logits are divided by where two models are compared; unset: 4 of soft, else 1"
    ] = None
    weight: Annotated[
        float | None,
        Gt(0),
        Le(1),
        "soft: share of the teacher in the loss, unset 0.9; dml: of the other model beside the labels, unset 1",
    ] = None


@options
class Train:
    """How long, in what batches, in what precision."""

    epochs: Annotated[int, Gt(0), "passes over the training set"]
    batch_size: Annotated[int, Gt(0), "samples per update over all workers"]
    last_batch: Annotated[
        Literal["even", "drop"],
        "even: every sample once, batches differ by one at most; drop: equal batches, the rest is left out",
    ] = "even"
    precision: Annotated[
        Literal["auto", "float32", "bf16", "fp16"],
        "auto: bf16 on a GPU that has it, float32 elsewhere; fp16 scales the loss",
    ] = "auto"
    deterministic: Annotated[bool, "only algorithms that repeat bit for bit, on a GPU too"] = True
    accumulate: Annotated[int, Gt(0), "forward and backward passes that each worker's samples are cut into"] = 1
    clip_norm: Annotated[float | None, Gt(0), "most that the norm of all gradients may be"] = None
    clip_value: Annotated[float | None, Gt(0), "most that a gradient may be"] = None
    clip_adaptive: Annotated[
        float | None, Gt(0), "share of its weights' norm that a unit's gradient may have, arXiv:2102.06171"
    ] = None
    ema: Annotated[
        float | None, Gt(0), Lt(1), "decay of a moving average of the weights, which is then what is evaluated"
    ] = None
    ema_warmup: Annotated[bool, "begin with a smaller decay: (1 + t) / (10 + t) at most"] = True
    freeze: Annotated[tuple[str, ...], "patterns of parameters' names that are not trained"] = ()
    patience: Annotated[int | None, Gt(0), "evaluations without a better top-1 after which the run ends early"] = (
        None
    )
    not_finite: Annotated[
        Literal["stop", "skip", "rollback"],
        "a loss that is no number: end with the batch's samples named; leave the update out (looks at every "
        "loss, which costs time on a GPU); go back to the last checkpoint and pass that batch over",
    ] = "stop"
    sync_batch_norm: Annotated[bool, "statistics over all workers' samples; needs GPUs"] = False
    channels_last: Annotated[bool, "memory format that convolutions on GPUs are faster in"] = False
    compile: Annotated[bool, "torch.compile"] = False
    parallel: Annotated[
        Literal["ddp", "fsdp"],
        "ddp: each worker has the whole model; fsdp: a part of each weight, gradient and moment, for models that "
        "do not fit",
    ] = "ddp"
    activation_checkpointing: Annotated[
        bool, "keep of each repeated block its input alone, and compute it once more backward: less memory"
    ] = False
    evaluate_every: Annotated[int, Gt(0), "epochs between evaluations; the last epoch is always evaluated"] = 1
    eval_batch_size: Annotated[int, Gt(0), "samples per forward pass of an evaluation"] = 128
    eval_flip: Annotated[bool, "evaluate the mean of an image's logits and its mirror image's"] = False
    log_every: Annotated[int, Gt(0), "updates between lines in metrics.jsonl"] = 50


@options
class Progressive:
    """Smaller images in the first epochs, which are quicker; then larger ones up to input.train_size."""

    size: Annotated[
        int | None,
        Gt(0),
        "height and width in pixels at the beginning; unset: as at the end; torch.compile compiles anew for a "
        "second size, once, and for others only where the model's shapes need it",
    ] = None
    begin: Annotated[int, Ge(0), "epochs after which images grow"] = 0
    end: Annotated[int | None, Gt(0), "epochs after which they have grown; unset: all but the last"] = None
    multiple: Annotated[int, Gt(0), "sizes between are whole multiples of so many pixels"] = 32


@options
class Sampling:
    """Which samples an epoch has; with nothing set, each once."""

    balance: Annotated[
        float, Ge(0), Le(1), "0: as in the data; 1: every class equally often; 0.5: by the root of its size"
    ] = 0.0
    weighted: Annotated[bool, "by the dataset's own weights, such as a CSV file's"] = False
    repeats: Annotated[
        int, Ge(1), Le(16), "times a sample comes in its batch, augmented apart, arXiv:1901.09335"
    ] = 1


@options
class Checkpointing:
    """When the state of a run is written, and how much of it is kept."""

    every_epochs: Annotated[int, Gt(0), "epochs between checkpoints"] = 1
    every_steps: Annotated[int | None, Gt(0), "updates between checkpoints within an epoch"] = None
    keep: Annotated[int, Gt(0), "how many of the newest are kept, beside the best"] = 2
    wait_seconds: Annotated[
        float, Ge(0), "how long the end of a run waits for storage that cannot be written, before it gives up"
    ] = 300.0


@options
class Loading:
    """The input pipeline of each worker; has no influence on what is read."""

    threads: Annotated[int | None, Gt(0), "DALI threads; unset: the worker's CPUs"] = None
    prefetch: Annotated[int, Ge(1), Le(16), "batches made ahead"] = 2
    decode: Annotated[
        Literal["auto", "cpu", "gpu"], "where JPEGs are decoded; auto: on the worker's GPU if it has one"
    ] = "auto"


@options
class Workers:
    """The processes that train."""

    count: Annotated[int, Ge(0), Le(4096), "0: in this process, without Ray"] = 1
    least: Annotated[
        int, Ge(0), Le(4096), "fewest that train where there is no room for count, in more passes; 0: always count"
    ] = 0
    cpus: Annotated[float | None, Gt(0), "CPUs of each worker, may be a fraction; unset: an equal share"] = None
    max_failures: Annotated[int, Ge(0), "how often killed workers are replaced before the run ends"] = 3
    hang_after: Annotated[
        float,
        Ge(0),
        "seconds without progress after which all workers' stacks are written to logs/stacks, the one that holds "
        "the others up is named, and all are replaced; what is done for the first time may take half an hour; "
        "0: never",
    ] = 600.0

    @property
    def elastic(self) -> bool:
        """Whether the number of workers may be smaller than ``count``."""
        return 0 < self.least < self.count

    @property
    def fewest(self) -> int:
        """The smallest number of workers that the run goes on with."""
        return self.least if self.elastic else self.count


@options
class Expectation:
    """What a run of the recipe reaches, and where the figure is from."""

    top1: Annotated[float, Ge(0), Le(100), "percent"]
    source: Annotated[str, "who measured it, on what"]


@options
class Tune:
    """A search for better values; what is searched is the table ``tune.space``."""

    metric: Annotated[
        Literal["val/top1", "val/top5", "val/loss"], "what a trial is judged by: the highest, or the lowest loss"
    ] = "val/top1"
    trials: Annotated[int, Gt(0), "how many settings are tried"] = 20
    search: Annotated[
        Literal["random", "grid", "tpe", "bayesian"],
        "how the next setting is found; grid: all there are, in order; tpe: where good ones are denser than bad "
        "ones; bayesian: by a Gaussian process",
    ] = "tpe"
    scheduler: Annotated[
        Literal["none", "asha", "hyperband", "median", "pbt"],
        "which trials end early; asha: at each rung all but the best, arXiv:1810.05934; hyperband: the same for "
        "several first rungs, arXiv:1603.06560; median: those below the others' median; pbt: none, the worse go "
        "on from the better ones' weights with changed values, arXiv:1711.09846",
    ] = "asha"
    fidelity: Annotated[
        Literal["epochs", "samples", "size"],
        "what a rung's shorter run has less of; epochs: with the schedule stretched to them; samples: a seeded "
        "part of the training set; size: pixels",
    ] = "epochs"
    rungs: Annotated[int, Ge(1), Le(8), "runs of rising length that a trial can get, the last as the recipe's"] = 3
    reduction: Annotated[
        int, Ge(2), Le(10), "trials of a rung for each one of the next, and how many times as much that one gets"
    ] = 3
    perturb_every: Annotated[int, Gt(0), "pbt: epochs between looks at the others"] = 1
    holdout: Annotated[
        float | None,
        Gt(0),
        Lt(1),
        "share of the training set that trials are judged by in place of the validation set, which the search "
        "then never sees; unset: the validation set",
    ] = None
    seed: Annotated[int, Ge(0), Lt(2**63), "of the search's own draws"] = 0
    workers_per_trial: Annotated[int, Ge(1), Le(4096), "processes that train a trial"] = 1
    max_concurrent: Annotated[int | None, Gt(0), "most trials at a time; unset: as many as fit"] = None
