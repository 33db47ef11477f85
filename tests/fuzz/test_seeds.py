"""Every target of `make fuzz` takes its first corpus, whole, cut and with single bits turned, without a finding."""

from __future__ import annotations

import dataclasses
import random

import pytest

import fuzz_targets


@pytest.mark.parametrize("name", fuzz_targets.TARGETS)
def test_seeds_are_no_findings(name):
    target, draw = fuzz_targets.TARGETS[name], random.Random(name)
    corpus = fuzz_targets.seeds(name)
    assert corpus
    for seed in corpus:
        fuzz_targets.quiet(target, seed)
        turned = bytearray(seed)
        turned[draw.randrange(len(seed))] ^= 1 << draw.randrange(8)
        fuzz_targets.quiet(target, bytes(turned))
        fuzz_targets.quiet(target, seed[: draw.randrange(len(seed))])


def test_a_finding_is_seen(monkeypatch):
    """A reader that lets a plain exception through ends a target."""

    def broken(path):
        raise KeyError(path)

    monkeypatch.setattr(fuzz_targets.fm, "read", broken)
    with pytest.raises(KeyError):
        fuzz_targets.npy(b"")


def test_a_network_that_claims_too_much_is_seen(monkeypatch):
    real = fuzz_targets.fm.spurious_minimum

    def boasting(*given, **words):
        return dataclasses.replace(real(*given, **words), excess=-1.0)

    monkeypatch.setattr(fuzz_targets.fm, "spurious_minimum", boasting)
    with pytest.raises(AssertionError, match="excess"):
        fuzz_targets.theorem1(b"".join(fuzz_targets.seeds("theorem1")))
