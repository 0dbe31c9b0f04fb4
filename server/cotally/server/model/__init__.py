"""What the layers above speak of: queries, catalogs, plans. Plain values, nothing imported."""
