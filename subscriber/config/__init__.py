"""The configuration file: what may be written, where each value stands, what is wrong with it.

Rules: pure; text in, values out. Nothing here reads a file, a variable or a secret.
"""

from subscriber.config.load import ConfigError, load_config, load_rule, nearest
from subscriber.config.publish import config_schema, reference_page, rule_schema
from subscriber.config.rule import RuleSpec, overlay
from subscriber.config.schema import (
    Config,
    DeliverySpec,
    HttpSpec,
    LogSpec,
    NatsSpec,
    PagerDutySpec,
    ServiceSpec,
    TlsSpec,
)
from subscriber.config.yaml import Document

__all__ = [
    "Config",
    "ConfigError",
    "DeliverySpec",
    "Document",
    "HttpSpec",
    "LogSpec",
    "NatsSpec",
    "PagerDutySpec",
    "RuleSpec",
    "ServiceSpec",
    "TlsSpec",
    "config_schema",
    "load_config",
    "load_rule",
    "nearest",
    "overlay",
    "reference_page",
    "rule_schema",
]
