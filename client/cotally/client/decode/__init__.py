"""From noised totals to estimates: standard errors and intervals follow from public noise alone."""
