"""The models of a server, found by name and version or label."""

import threading
from collections.abc import Mapping

import grpc
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.config.model_server_config_pb2 import ModelConfig, ModelServerConfig

from serving.embedded.servable import Servable
from serving.embedded.status import StatusError, invalid_argument, not_found
from serving.embedded.versions import Versions, VersionStatus


class Models:
    """The models of a configuration and a thread that polls their base paths.

    Args:
        poll_seconds: poll interval.
        warms_up: see `Versions`.
    """

    def __init__(self, poll_seconds: float = 1.0, warms_up: bool = True):
        self._warms_up = warms_up
        self._versions: Mapping[str, Versions] = {}
        self._labels: Mapping[str, Mapping[str, int]] = {}
        self._poll_seconds = poll_seconds
        self._changing = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep_polling, daemon=True)

    def configure(self, config: ModelServerConfig) -> None:
        """Applies a configuration: loads its models, unloads all others, then moves the labels.

        As in TensorFlow Serving with `--allow_version_labels_for_unavailable_models`, a new label
        may name a version that is not loaded, but an existing label cannot be moved to one.

        Raises:
            StatusError: FAILED_PRECONDITION if a label cannot be moved; all labels stay unchanged.
        """
        configs = {model.name: model for model in config.model_config_list.config}
        with self._changing:
            for name in self._versions.keys() - configs.keys():
                configs[name] = _without_versions(name)
            self._versions = {
                name: self._versions.get(name) or Versions(model, self._warms_up)
                for name, model in configs.items()
            }
            for name, model in configs.items():
                self._versions[name].config = model
                self._versions[name].poll()
            for name, model in configs.items():
                for label, version in model.version_labels.items():
                    current = self._labels.get(name, {}).get(label, version)
                    if current != version and not self._versions[name].find(version):
                        raise StatusError(
                            grpc.StatusCode.FAILED_PRECONDITION,
                            f"Request to assign label {label} to version {version} of model "
                            f"{name}, which is not currently available for inference",
                        )
            self._labels = {name: dict(model.version_labels) for name, model in configs.items()}

    def start(self) -> None:
        """Starts polling the base paths."""
        self._thread.start()

    def stop(self) -> None:
        """Stops polling."""
        self._stopped.set()
        self._thread.join()

    def find(self, spec: ModelSpec) -> tuple[int, Servable]:
        """Returns the number and the servable of the version that a request names.

        Raises:
            StatusError: INVALID_ARGUMENT for a missing name or an unknown label, NOT_FOUND if the
                version is not loaded.
        """
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        versions = self._versions.get(spec.name)
        version = spec.version.value if spec.HasField("version") else None
        if spec.version_label:
            version = self._labels.get(spec.name, {}).get(spec.version_label)
            if version is None:
                raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
        found = versions and versions.find(version)
        if not found:
            wanted = (
                f"Latest({spec.name})" if version is None else f"Specific({spec.name}, {version})"
            )
            raise not_found(f"Servable not found for request: {wanted}")
        return found

    def status(self, spec: ModelSpec) -> dict[int, VersionStatus]:
        """Returns the status of one version, or of all, newest first. Labels are ignored.

        Raises:
            StatusError: NOT_FOUND if there is no version to report.
        """
        versions = self._versions.get(spec.name)
        if versions is None or not versions.status:
            raise not_found(f"Could not find any versions of model {spec.name}")
        if not spec.HasField("version"):
            return dict(sorted(versions.status.items(), reverse=True))
        number = spec.version.value
        if number not in versions.status:
            raise not_found(f"Could not find version {number} of model {spec.name}")
        return {number: versions.status[number]}

    def _keep_polling(self) -> None:
        while not self._stopped.wait(self._poll_seconds):
            with self._changing:
                for versions in self._versions.values():
                    versions.poll()


def _without_versions(name: str) -> ModelConfig:
    """Returns the configuration of a removed model: it serves nothing but still has a status."""
    config = ModelConfig(name=name)
    config.model_version_policy.specific.SetInParent()
    return config
