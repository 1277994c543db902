"""One copy of a model per process, and models that are lent."""

from __future__ import annotations

import pytest

from guerdon.core.errors import ConfigError
from guerdon.lm.scripted import Scripted
from guerdon.lm.shared import lend, opened


def test_a_model_is_opened_once_per_spec_and_options() -> None:
    assert opened("scripted:flaky", rate=0.5) is opened("scripted:flaky", rate=0.5)
    assert opened("scripted:flaky", rate=0.5) is not opened("scripted:flaky", rate=0.25)
    assert opened("scripted:echo").digest == opened("scripted:echo").model.digest


def test_a_lent_model_stands_for_its_name_until_it_is_given_back() -> None:
    outer, inner = Scripted("echo"), Scripted("empty")
    with lend("mine", outer):
        with lend("mine", inner):
            assert opened("mine").model is inner
        assert opened("mine").model is outer
    with pytest.raises(ConfigError):
        opened("mine")
