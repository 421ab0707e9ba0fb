"""TensorFlow Serving's model configuration, read from a file or made for one model."""

from pathlib import Path

from google.protobuf import text_format

from serving.messages import ModelConfig, ModelServerConfig


class ConfigError(Exception):
    """The configuration file cannot be read; the message says where and why."""


def read_config(path: Path) -> ModelServerConfig:
    """Reads a `--model_config_file` (text format of `ModelServerConfig`).

    Raises:
        ConfigError: it is not there, or is not such a file.
    """
    try:
        return text_format.Parse(path.read_text(), ModelServerConfig())
    except (OSError, UnicodeDecodeError, text_format.ParseError) as error:
        raise ConfigError(f"{path} is no model configuration: {error}") from error


def config_of_all_versions(name: str, base_path: Path) -> ModelServerConfig:
    """One model with every version that its base path holds."""
    model = ModelConfig(name=name, base_path=str(base_path.resolve()), model_platform="tensorflow")
    model.model_version_policy.all.SetInParent()
    config = ModelServerConfig()
    config.model_config_list.config.append(model)
    return config
