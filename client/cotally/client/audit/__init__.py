"""The auditor: the whole log in one file, checked offline, and every privacy budget computed again."""
