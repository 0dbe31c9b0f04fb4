"""`cotally bench`: timings, each against a peer or a stated workload."""
