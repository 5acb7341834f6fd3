"""How far the judge agrees with people and with itself."""
