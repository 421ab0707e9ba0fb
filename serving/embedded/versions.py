"""The versions of one model: those in its base path, loaded and unloaded as the folder changes."""

import gc
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import grpc
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig

from serving.embedded.servable import Servable

RETRY_SECONDS = 60.0  # wait before a failed load is retried, as in TensorFlow Serving
LOAD_THREADS = 4  # versions loaded at once
_log = logging.getLogger(__name__)


class VersionStatus(NamedTuple):
    """A version's state in TensorFlow Serving's terms; `code` and `message` describe a failure."""

    state: int  # ModelVersionStatus.State
    code: grpc.StatusCode = grpc.StatusCode.OK
    message: str = ""


class Versions:
    """The versions that a model's configuration selects from its base path.

    `poll` synchronises memory with the folder. It loads new versions before it drops old ones;
    requests that run on a dropped version finish.

    Args:
        config: the model's configuration.
        warms_up: whether to run the warm-up requests of the newest version before it is served.
    """

    def __init__(self, config: ModelConfig, warms_up: bool = True):
        self.config, self._warms_up = config, warms_up
        self.status: dict[int, VersionStatus] = {}
        self._loaded: dict[int, Servable] = {}
        self._retry_at: dict[int, float] = {}

    def find(self, version: int | None = None) -> tuple[int, Servable] | None:
        """Returns a version, the newest if None, with its number; None if it is not loaded."""
        loaded = self._loaded
        if version is None:
            version = max(loaded, default=None)
        return (version, loaded[version]) if version in loaded else None

    def poll(self) -> None:
        """Loads new versions in the folder and drops removed ones."""
        aspired = self._aspired()
        if aspired is None:
            return
        now = time.monotonic()
        new = sorted(v for v in aspired - set(self._loaded) if now >= self._retry_at.get(v, 0))
        # Only the newest is warmed up: old ones get few requests, and warming all of them doubles
        # the time to start.
        load = partial(self._load, newest=max(aspired, default=0))
        with ThreadPoolExecutor(LOAD_THREADS) as pool:
            for version, servable in zip(new, pool.map(load, new)):
                if servable:
                    self._loaded = {**self._loaded, version: servable}
                    self.status[version] = VersionStatus(ModelVersionStatus.AVAILABLE)
                    _log.info("loaded %s version %d", self.config.name, version)
        gone = (set(self._loaded) | set(self._retry_at)) - aspired
        for version in gone:
            self._drop(version)
        if gone:
            gc.collect()  # a TensorFlow graph is a reference cycle of 15 MB

    def _aspired(self) -> set[int] | None:
        """Returns the versions that the policy selects; None if the folder cannot be read."""
        policy = self.config.model_version_policy
        if policy.WhichOneof("policy_choice") == "specific" and not policy.specific.versions:
            return set()
        try:
            found = {
                int(path.name)
                for path in Path(self.config.base_path).iterdir()
                if path.name.isdecimal() and path.is_dir()
            }
        except (OSError, ValueError) as error:  # ValueError: a zero byte in the path
            _log.warning("base path of %s: %s", self.config.name, error)
            return None
        match policy.WhichOneof("policy_choice"):
            case "all":
                return found
            case "specific":
                return found & set(policy.specific.versions)
            case _:
                return set(sorted(found)[-(policy.latest.num_versions or 1) :])

    def _load(self, version: int, newest: int) -> Servable | None:
        self.status[version] = VersionStatus(ModelVersionStatus.LOADING)
        try:
            path = Path(self.config.base_path) / str(version)
            servable = Servable(path, is_warmed=self._warms_up and version == newest)
            self._retry_at.pop(version, None)
            return servable
        except Exception as error:  # TensorFlow raises many types for a damaged SavedModel
            _log.error("loading %s version %d failed: %s", self.config.name, version, error)
            self.status[version] = VersionStatus(
                ModelVersionStatus.END, grpc.StatusCode.UNKNOWN, str(error)
            )
            self._retry_at[version] = time.monotonic() + RETRY_SECONDS
            return None

    def _drop(self, version: int) -> None:
        self._retry_at.pop(version, None)
        if version in self._loaded:
            self._loaded = {v: s for v, s in self._loaded.items() if v != version}
            _log.info("dropped %s version %d", self.config.name, version)
        self.status[version] = VersionStatus(ModelVersionStatus.END)
