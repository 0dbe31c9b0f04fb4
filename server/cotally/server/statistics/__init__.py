"""What can be asked: one file per statistic, all of them vectors of bounded integer sums."""
