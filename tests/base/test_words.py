"""Help with mistyped words."""

from laconic.base.words import did_you_mean


def test_the_nearest_come_first_and_no_more_than_two():
    assert did_you_mean("minst", ["cifar10", "mnist", "npz"]) == "did you mean mnist?"
    assert did_you_mean("net0", ["net1", "net2", "net3"]).count("net") == 2


def test_case_is_no_matter():
    assert did_you_mean("MNIST", ["npz", "mnist"]) == "did you mean mnist?"


def test_a_long_list_is_cut():
    assert (
        did_you_mean("?", map(str, range(10, 40))) == "known: 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25 … (30 in all)"
    )
