"""MODEL references: each source, and each way to get one wrong."""

import sys
from types import ModuleType

import pytest
from torch import nn

from laconic.base.errors import ModelError
from laconic.zoo import ZOO
from laconic.zoo.reference import build_model, entry


@pytest.mark.parametrize("name", ["lenet-300-100", "resnet20"])
def test_zoo(name):
    assert isinstance(build_model(f"zoo:{name}"), type(ZOO[name].build()))


def test_zoo_takes_classes_and_shape():
    network = build_model("zoo:resnet20", classes=3, sample_shape=(1, 16, 16))
    assert network.linear.out_features == 3
    assert network.conv1.in_channels == 1


def test_an_unknown_name_is_refused_with_the_nearest():
    with pytest.raises(ModelError, match="the zoo has no network 'resnet21'") as caught:
        build_model("zoo:resnet21")
    assert "resnet20" in caught.value.hint
    with pytest.raises(ModelError):
        entry("resnet21")


def test_a_bare_name_of_the_zoo_gets_its_prefix():
    with pytest.raises(ModelError, match="names no model") as caught:
        build_model("resnet20")
    assert caught.value.hint == "did you mean zoo:resnet20?"


@pytest.mark.parametrize("reference", ["", "resnet", "zoo:", ":build"])
def test_what_is_no_reference_is_refused_with_the_forms(reference):
    with pytest.raises(ModelError) as caught:
        build_model(reference)
    assert "path/file.py:build" in caught.value.hint


def test_a_function_in_a_file(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from torch import nn\ndef build():\n    return nn.Linear(3, 4)\n")
    assert build_model(f"{path}:build", classes=99).out_features == 4


def test_a_function_in_a_package():
    assert isinstance(build_model("torch.nn:ReLU"), nn.ReLU)


def test_what_is_no_module_is_refused(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("def build():\n    return {}\n")
    with pytest.raises(ModelError, match=r"returned a dict, not a torch.nn.Module"):
        build_model(f"{path}:build")


def test_an_error_in_a_file_names_its_line(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("from torch import nn\ndef build():\n    return nn.Linear('three', 4)\n")
    with pytest.raises(ModelError, match="TypeError") as caught:
        build_model(f"{path}:build")
    assert caught.value.where == f"{path}, line 3"


class _FakeTorchvision(ModuleType):
    """As much of torchvision.models as is asked for: it is no dependency of ours."""

    @staticmethod
    def list_models():
        return ["resnet18", "resnet34", "odd"]

    @staticmethod
    def get_model(name, *, weights, num_classes=1000):
        assert weights is None
        return "a string" if name == "odd" else nn.Linear(3, num_classes)


class _FakeTimm(ModuleType):
    """As much of timm as is asked for."""

    @staticmethod
    def list_models():
        return ["mobilenetv3_small_100", "broken"]

    @staticmethod
    def create_model(name, *, pretrained, num_classes=1000, in_chans=3):
        assert pretrained is False
        if name == "broken":
            raise RuntimeError("no kernel")
        return nn.Linear(in_chans, num_classes)


@pytest.fixture
def _libraries(monkeypatch):
    package, models = ModuleType("torchvision"), _FakeTorchvision("torchvision.models")
    package.models = models
    for name, module in (("torchvision", package), ("torchvision.models", models), ("timm", _FakeTimm("timm"))):
        monkeypatch.setitem(sys.modules, name, module)


@pytest.mark.usefixtures("_libraries")
def test_torchvision():
    assert build_model("torchvision:resnet18").out_features == 1000
    assert build_model("torchvision:resnet18", classes=10).out_features == 10
    with pytest.raises(ModelError, match="torchvision has no network 'resnet19'") as caught:
        build_model("torchvision:resnet19")
    assert "resnet18" in caught.value.hint
    with pytest.raises(ModelError, match=r"not a torch\.nn\.Module"):
        build_model("torchvision:odd")


@pytest.mark.usefixtures("_libraries")
def test_timm():
    network = build_model("timm:mobilenetv3_small_100", classes=10, sample_shape=(1, 28, 28))
    assert (network.in_features, network.out_features) == (1, 10)
    with pytest.raises(ModelError, match="timm has no network 'mobilenetv9'"):
        build_model("timm:mobilenetv9")
    with pytest.raises(ModelError, match="timm cannot build broken: RuntimeError: no kernel"):
        build_model("timm:broken")


@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_a_library_that_breaks_on_import_is_not_available(library, tmp_path, monkeypatch):
    (tmp_path / f"{library}.py").write_text("raise RuntimeError('operator torchvision::nms does not exist\\nand more')\n")
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(ModelError, match=f"{library} is not available: RuntimeError: operator torchvision::nms does not exist\n") as caught:
        build_model(f"{library}:resnet18")
    assert f"install {library}" in caught.value.hint
