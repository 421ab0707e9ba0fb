"""TensorFlow Serving's model configuration, read from a file or created for one model."""

from pathlib import Path

from google.protobuf import text_format

from serving.messages import ModelConfig, ModelServerConfig


class ConfigError(Exception):
    """The configuration cannot be used; the message says which and why."""


def read_config(path: Path) -> ModelServerConfig:
    """Reads a `--model_config_file` (text format of `ModelServerConfig`).

    Raises:
        ConfigError: the file is missing or invalid.
    """
    try:
        return text_format.Parse(path.read_text(), ModelServerConfig())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise ConfigError(f"{path} is not a valid model configuration: {error}") from error


def config_of_all_versions(name: str, base_path: Path) -> ModelServerConfig:
    """Returns the configuration of one model with all versions in its base path."""
    model = ModelConfig(name=name, base_path=str(base_path.resolve()), model_platform="tensorflow")
    model.model_version_policy.all.SetInParent()
    config = ModelServerConfig()
    config.model_config_list.config.append(model)
    return config
