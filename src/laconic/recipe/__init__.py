"""Recipes: the table of words, YAML ⇄ Steps, what order is legal, and the run itself."""

from laconic.recipe.check import Check, check
from laconic.recipe.legality import check_order
from laconic.recipe.recipe import Recipe
from laconic.recipe.run import Run, run
from laconic.recipe.schema import schema
from laconic.recipe.table import STEPS
from laconic.recipe.text import load_recipe, parse, write

__all__ = ["STEPS", "Check", "Recipe", "Run", "check", "check_order", "load_recipe", "parse", "run", "schema", "write"]
