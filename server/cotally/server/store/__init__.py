"""Where a process keeps what it must not forget: SQLite files that survive crashes."""
