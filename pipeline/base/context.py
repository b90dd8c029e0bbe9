"""The surroundings of a command, read once where it begins and handed down."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pipeline.base import cli, config, git
from pipeline.base.config import CiRun, Settings
from pipeline.base.git import WorkTree


@dataclass(frozen=True)
class RunContext:
    """The settings, the CI run that the command is a step of, and the repository's root.

    ``file_settings`` are those of ``config.yaml`` alone, without the variables.
    """

    settings: Settings
    file_settings: Settings
    ci: CiRun
    folder: Path
    tree: WorkTree

    @classmethod
    def read(cls) -> Self:
        """Read the environment and the current folder; say so where git does not know it.

        Raises:
            SettingsError: no ``config.yaml`` here, or a key or value that no setting accepts.

        """
        folder = Path.cwd()
        settings, file_settings = config.load(), config.load_file()
        tree = git.work_tree(folder, config.FILE)
        if tree.problem:
            cli.say(f"warning: no commit is recorded: {tree.problem}")
        return cls(settings, file_settings, CiRun(), folder, tree)
