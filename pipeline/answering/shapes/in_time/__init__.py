"""Answers whose order is time: latest and first, series, comparisons, changes between visits, how many there were."""
