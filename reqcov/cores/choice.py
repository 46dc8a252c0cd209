"""Which core, and why."""

from __future__ import annotations

import sys

from reqcov.config import Config
from reqcov.cores.base import Core
from reqcov.cores.files import Files
from reqcov.errors import ConfigError, Faults, logger

TOOLS_TAKEN = "every tool id of sys.monitoring is taken"


def choose(config: Config, files: Files, faults: Faults) -> tuple[Core, str]:
    """Install the core that `config` asks for, or the best there is; and say in a few words why it is this one.

    Raises ConfigError where `core="monitoring"` is asked for and can't be had.
    """
    obstacle = _obstacle_to_monitoring(config)
    if config.core == "monitoring" and obstacle is not None:
        raise ConfigError(f'core="monitoring" can\'t be had: {obstacle}. Use core="auto".')
    if config.core != "settrace" and obstacle is None:
        from reqcov.cores.monitoring import MonitoringCore

        return MonitoringCore(files, faults), "sys.monitoring is there"
    if config.core == "auto" and obstacle == TOOLS_TAKEN:
        logger.warning("reqcov: %s; the slower settrace core is used", obstacle)

    from reqcov.cores import tracers
    from reqcov.cores.settrace import SettraceCore

    core = SettraceCore(tracers.choose(files, faults, config.branch), faults, branch=config.branch)
    return core, obstacle or 'core="settrace" was asked for'


def _obstacle_to_monitoring(config: Config) -> str | None:
    if sys.version_info < (3, 12):
        return "sys.monitoring begins with Python 3.12"
    if config.branch:
        return "branches are measured with trace functions"

    from reqcov.cores.monitoring import free_tool_id

    return TOOLS_TAKEN if free_tool_id() is None else None
