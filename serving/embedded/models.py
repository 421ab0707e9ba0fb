"""All models of a server, found by name and by version, label or neither."""

import threading

from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from serving.embedded.servable import Servable
from serving.embedded.status import invalid_argument, not_found
from serving.embedded.versions import Versions, VersionStatus


class Models:
    """The models of a configuration, and a thread that keeps them up to date.

    Args:
        config: of the server, as in a `--model_config_file`.
        poll_seconds: between two looks at the base paths.
    """

    def __init__(self, config: ModelServerConfig, poll_seconds: float = 1.0):
        self._versions = {c.name: Versions(c) for c in config.model_config_list.config}
        self._poll_seconds = poll_seconds
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._keep_polling, daemon=True)

    def start(self) -> None:
        """Loads everything once, then keeps watching."""
        for versions in self._versions.values():
            versions.poll()
        self._thread.start()

    def stop(self) -> None:
        """Stops watching."""
        self._stopped.set()
        self._thread.join()

    def find(self, spec: ModelSpec) -> tuple[int, Servable]:
        """The version that a request means, with its number.

        Raises:
            StatusError: INVALID_ARGUMENT without a name or with an unknown label, NOT_FOUND if
                it is not loaded.
        """
        if not spec.name:
            raise invalid_argument("ModelSpec has no name specified.")
        versions = self._versions.get(spec.name)
        version = spec.version.value if spec.HasField("version") else None
        if spec.version_label:
            if versions is None or spec.version_label not in versions.config.version_labels:
                raise invalid_argument(f"Unrecognized servable version label: {spec.version_label}")
            version = versions.config.version_labels[spec.version_label]
        found = versions and versions.find(version)
        if not found:
            wanted = (
                f"Latest({spec.name})" if version is None else f"Specific({spec.name}, {version})"
            )
            raise not_found(f"Servable not found for request: {wanted}")
        return found

    def status(self, spec: ModelSpec) -> dict[int, VersionStatus]:
        """The state of one version or of all, the newest first; a label does not narrow it.

        Raises:
            StatusError: NOT_FOUND if there is none.
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
            for versions in self._versions.values():
                versions.poll()
