"""Every error that laconic raises on purpose, in one small tree.

    LaconicError
    ├── UsageError         exit 2   a wrong word on the command line or in a call
    │   └── RecipeError             a recipe that cannot run, refused before anything is trained
    ├── ModelError         exit 3   a model that cannot be built, loaded or traced
    │   └── ExportError             a model whose graph cannot leave torch
    ├── DataError          exit 3   data that cannot be read or does not fit the model
    ├── BudgetError        exit 4   a budget that cannot be reached
    ├── ArtifactError      exit 5   a .lac file that is damaged, hostile or from another version
    │   ├── CodecError              a stream that does not decode
    │   ├── GraphError              a graph that the validator refuses
    │   └── LimitError              a file that asks for more than the limits allow
    └── ResourceError      exit 6   no disk space, no memory, no permission

Each carries the scene: what happened, where, and what to do next.
"""


class LaconicError(Exception):
    """Something went wrong that a person can mend.

    Args:
        what: one sentence, the cause.
        where: the place (file, section and offset, layer, recipe line); may be empty.
        hint: the next step to take; may be empty.

    >>> print(LaconicError("no such layer", where="conv9", hint="layers: conv1, conv2"))
    no such layer
      where: conv9
      try:   layers: conv1, conv2
    """

    exit_code = 1

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.hint = what, where, hint

    def __str__(self) -> str:
        place = f"\n  where: {self.where}" if self.where else ""
        advice = f"\n  try:   {self.hint}" if self.hint else ""
        return f"{self.what}{place}{advice}"

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.what, self.where, self.hint)


def _rebuild(kind: type[LaconicError], what: str, where: str, hint: str) -> LaconicError:
    return kind(what, where=where, hint=hint)


class UsageError(LaconicError):
    """A wrong word on the command line or in a call."""

    exit_code = 2


class RecipeError(UsageError):
    """A recipe that cannot run; refused before anything is trained."""


class ModelError(LaconicError):
    """A model that cannot be built, loaded or traced."""

    exit_code = 3


class ExportError(ModelError):
    """A model whose graph cannot leave torch."""


class DataError(LaconicError):
    """Data that cannot be read, or that does not fit the model."""

    exit_code = 3


class BudgetError(LaconicError):
    """A budget that cannot be reached."""

    exit_code = 4


class ArtifactError(LaconicError):
    """A .lac file that is damaged, hostile or from another version."""

    exit_code = 5


class CodecError(ArtifactError):
    """A stream of bytes that does not decode."""


class GraphError(ArtifactError):
    """A graph that the validator refuses to hand to an engine."""


class LimitError(ArtifactError):
    """A file that asks for more than the limits allow."""


class ResourceError(LaconicError):
    """The disk, the memory or the permissions do not suffice."""

    exit_code = 6
