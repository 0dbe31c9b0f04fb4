"""One department: decides, spends, measures, commits, reveals."""
