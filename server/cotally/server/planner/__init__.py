"""Layout, noise, price, packing and answering time of a query: public, exact, the same for all parties."""
