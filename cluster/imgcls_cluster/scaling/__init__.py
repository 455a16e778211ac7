"""What a run would reach on more workers than there are: a model of step time, fitted to measurements."""
