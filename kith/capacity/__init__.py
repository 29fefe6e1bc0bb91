"""How large an installation has to be: measured unit costs, formulas, and the arithmetic that shows both."""
