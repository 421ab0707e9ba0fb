"""The versions of one model: what its base path holds, kept in memory as the folder changes."""

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

RETRY_SECONDS = 60.0  # TensorFlow Serving's pause before a failed load is tried again
LOAD_THREADS = 4  # versions that are loaded at once
_log = logging.getLogger(__name__)


class VersionStatus(NamedTuple):
    """A version's state in TensorFlow Serving's terms; `code` and `message` tell of a failure."""

    state: int  # ModelVersionStatus.State
    code: grpc.StatusCode = grpc.StatusCode.OK
    message: str = ""


class Versions:
    """All versions of a model that its configuration asks for.

    `poll` brings memory in line with the folder. New versions are loaded before old ones are
    dropped, and a request that runs on a dropped version runs to its end.
    """

    def __init__(self, config: ModelConfig):
        self.config = config
        self.status: dict[int, VersionStatus] = {}
        self._loaded: dict[int, Servable] = {}
        self._retry_at: dict[int, float] = {}

    def find(self, version: int | None = None) -> tuple[int, Servable] | None:
        """That version, or the newest, with its number; None if it is not loaded."""
        loaded = self._loaded
        if version is None:
            version = max(loaded, default=None)
        return (version, loaded[version]) if version in loaded else None

    def poll(self) -> None:
        """Loads what is new in the folder and drops what is gone."""
        aspired = self._aspired()
        if aspired is None:
            return
        now = time.monotonic()
        new = sorted(v for v in aspired - set(self._loaded) if now >= self._retry_at.get(v, 0))
        # Old versions are looked at now and then; to warm up each of them doubles the start.
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
            gc.collect()  # a TensorFlow graph refers to itself: 15 MB that would stay for long

    def _aspired(self) -> set[int] | None:
        """The versions that the policy chooses of those in the folder; None if it is not there."""
        policy = self.config.model_version_policy
        if policy.WhichOneof("policy_choice") == "specific" and not policy.specific.versions:
            return set()
        try:
            found = {
                int(path.name)
                for path in Path(self.config.base_path).iterdir()
                if path.name.isdecimal() and path.is_dir()
            }
        except (OSError, ValueError) as error:  # of a path with a zero byte the latter
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
            servable = Servable(path, is_warmed=version == newest)
            self._retry_at.pop(version, None)
            return servable
        except Exception as error:  # whatever a broken SavedModel makes TensorFlow raise
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
