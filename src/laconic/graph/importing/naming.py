"""Where tensors and layers stand in an imported module: under their own names, as far as torch can have them."""

from torch import Tensor, nn

_EMPTY = nn.Module()


class Rooms:
    """A tree of modules that grows as tensors and layers are put into it.

    Args:
        root: what they are put into.

    >>> rooms = Rooms(nn.Module())
    >>> rooms.put_layer("block.conv1", nn.ReLU()), rooms.put_layer("block.conv1", nn.ReLU()), rooms.put_layer("forward", nn.ReLU())
    ('block.conv1', 'block.conv1_', 'forward_')
    """

    def __init__(self, root: nn.Module) -> None:
        self.root = root
        self._taken: set[str] = set()

    def is_free(self, path: str) -> bool:
        """Whether a layer of exactly this path can be put in."""
        return path not in self._taken and self._resolve(path)[2] == path

    def put_layer(self, wanted: str, layer: nn.Module) -> str:
        """Put a layer in, and return the path that it has there."""
        room, name, path = self._resolve(wanted)
        self._make(path)
        self.root.get_submodule(room).add_module(name, layer)
        self._taken.update([path, *(f"{path}.{inner}" for inner, _ in (*layer.named_parameters(), *layer.named_buffers()))])
        return path

    def put_tensor(self, wanted: str, tensor: Tensor, persistent: bool = True) -> tuple[str, str]:
        """Put a parameter or a buffer in (in the state dict only if `persistent`), and return the path of its module and its name there."""
        room, name, path = self._resolve(wanted)
        self._make(path)
        module = self.root.get_submodule(room)
        if isinstance(tensor, nn.Parameter):
            module.register_parameter(name, tensor)
        else:
            module.register_buffer(name, tensor, persistent)
        self._taken.add(path)
        return room, name

    def _resolve(self, wanted: str) -> tuple[str, str, str]:
        """Path of the module, name in it, and both together: `wanted`, but for names that are taken or that torch cannot have."""
        modules = dict(self.root.named_modules())
        room = ""
        *way, last = [word or "_" for word in wanted.split(".")]
        for word in way:
            room = self._free(modules, room, word, shared=True)
        path = self._free(modules, room, last, shared=False)
        return room, path.rpartition(".")[2], path

    def _free(self, modules: dict[str, nn.Module], room: str, word: str, shared: bool) -> str:
        path = f"{room}.{word}".lstrip(".")
        if path in modules:
            return path if shared else self._free(modules, room, f"{word}_", shared)
        reserved = word in dir(modules.get(room, _EMPTY))
        return self._free(modules, room, f"{word}_", shared) if reserved or path in self._taken else path

    def _make(self, path: str) -> None:
        """The modules on the way to a path."""
        room = self.root
        for word in path.split(".")[:-1]:
            if word not in dict(room.named_children()):
                room.add_module(word, nn.Module())
            room = room.get_submodule(word)
