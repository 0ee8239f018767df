"""How one weight is held: dense, masked, grid or codebook. Arrays ⇄ integers and small tables."""

from laconic.forms.form import Codebook, Dense, Form, Grid, Masked, rebuild
from laconic.forms.recognise import recognise

__all__ = ["Codebook", "Dense", "Form", "Grid", "Masked", "rebuild", "recognise"]
