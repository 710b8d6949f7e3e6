"""Spark as the machine has it: is Java there, how much memory, where it may write, who may listen.

What is computed on it is said in `spark/decide.py`. A session is quiet: its own talk goes to a log
file inside its work folder, which is removed with it.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from commission_engine.problems import CommissionError, UsageError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

JAVA = 17
"""The least that Spark 4 runs on."""

PATIENCE = 60
"""Seconds in which Java has to end when it is asked to."""

INSTALL_SPARK = "Install the extra: pip install 'commission-engine[spark]'."
INSTALL_JAVA = (
    f"Install Java {JAVA} (on Debian: apt-get install openjdk-{JAVA}-jre-headless),"
    " or let JAVA_HOME name it."
)

_LOG = """\
rootLogger.level = error
rootLogger.appenderRef.all.ref = all
appender.all.type = Console
appender.all.name = all
appender.all.target = SYSTEM_ERR
appender.all.layout.type = PatternLayout
appender.all.layout.pattern = %d{HH:mm:ss} %p %c: %m%n%ex
"""


@dataclass(frozen=True)
class Cluster:
    """Which Spark, and what it may use.

    `master` is Spark's: local[2] (two cores of this machine), spark://host:7077, ... Memory is
    the Java side's, as Spark writes it (1g, 800m); each Python worker takes its own beside.
    `scratch` is a folder for what waits between steps (None: the system's); `conf` are further
    settings of Spark, and go before ours.
    """

    master: str = "local[2]"
    driver_memory: str = "1g"
    executor_memory: str = "1g"
    scratch: Path | None = None
    conf: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def session(cluster: Cluster) -> Iterator["SparkSession"]:
    """A Spark of our own, gone afterwards with its processes and files.

    Raises UsageError where PySpark or Java is missing or too old, or this process has a Spark.
    """
    check_installed()
    with _scratch(cluster.scratch) as work:
        with quiet():
            from pyspark import SparkConf, SparkContext
            from pyspark.errors import PySparkException
            from pyspark.sql import SparkSession

            launch_gateway: Any = import_module("pyspark.java_gateway").launch_gateway
        if SparkContext._active_spark_context is not None:
            raise UsageError(
                "this process has a Spark session already",
                "Hand that one over, or stop it first.",
            )
        (work / "log4j2.properties").write_text(_LOG, "utf-8")
        conf = SparkConf().setAll(list((_settings(cluster, work) | dict(cluster.conf)).items()))
        with (work / "spark.log").open("wb") as log:
            try:
                with _environment(_local(cluster.master)):
                    gateway = launch_gateway(conf, {"stdout": log, "stderr": log})
            except PySparkException as why:
                raise CommissionError(
                    f"Java did not start: {_last_words(work / 'spark.log')}", INSTALL_JAVA
                ) from why
        try:
            with _environment(_local(cluster.master)):
                context = SparkContext(conf=conf, gateway=gateway)
            context.pythonExec = os.environ.get("PYSPARK_PYTHON", sys.executable)
            spark = SparkSession(context)
            try:
                yield spark
            finally:
                spark.stop()
        finally:
            gateway.shutdown()
            gateway.proc.stdin.close()  # on which Java ends itself
            try:
                gateway.proc.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                gateway.proc.kill()
                gateway.proc.wait()
            SparkContext._gateway = SparkContext._jvm = None


def check_installed() -> None:
    """Raises UsageError, saying what to install, unless Spark could start here."""
    try:
        with quiet():  # the last one is imported by PySpark's frames, and warns as it is
            for name in ("pandas", "pyarrow", "pyspark", "pyspark.testing.utils"):
                import_module(name)
    except ImportError as why:
        raise UsageError(f"Spark is not installed: {why}", INSTALL_SPARK) from why
    home = os.environ.get("JAVA_HOME")
    java = str(Path(home, "bin", "java")) if home else shutil.which("java")
    try:
        said = subprocess.run(
            [java or "java", "-version"], capture_output=True, text=True, check=True
        ).stderr
    except (OSError, subprocess.CalledProcessError) as why:
        raise UsageError("Spark needs Java, and there is none here", INSTALL_JAVA) from why
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    if found is None or int(found[1]) < JAVA:
        first = said.split("\n", 1)[0].strip()
        raise UsageError(f"Spark needs Java {JAVA} or newer; here is {first}", INSTALL_JAVA)


@contextmanager
def quiet() -> Iterator[None]:
    """PySpark warns of newer versions of pandas, of which it uses nothing here."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "PySpark does not yet fully support pandas")
        yield


def _local(master: str) -> bool:
    return master.startswith("local")


def _settings(cluster: Cluster, work: Path) -> dict[str, str]:
    logged = f"-Dlog4j2.configurationFile=file:{work / 'log4j2.properties'}"
    found = {
        "spark.app.name": "commission decide",
        "spark.master": _with_retries(cluster.master),
        "spark.driver.memory": cluster.driver_memory,
        "spark.executor.memory": cluster.executor_memory,
        "spark.driver.extraJavaOptions": logged,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.warehouse.dir": str(work / "warehouse"),
        # Who goes where is said by us: nothing is to be split or joined by sizes.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.execution.arrow.maxRecordsPerBatch": "100000",
        "spark.sql.execution.arrow.maxBytesPerBatch": str(32 << 20),
        "spark.python.worker.reuse": "true",
        # One task has one core, and one core one thread.
        "spark.executorEnv.POLARS_MAX_THREADS": "1",
    }
    if _local(cluster.master):  # nobody else is to reach it
        found |= {
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.driver.host": "127.0.0.1",
            "spark.local.dir": str(work),
            "spark.executor.extraJavaOptions": logged,
        }
    return found


def _with_retries(master: str) -> str:
    """On one machine Spark would not try a failed task again unless it is told to."""
    return re.sub(r"^local\[(\d+|\*)\]$", r"local[\1,4]", master)


@contextmanager
def _scratch(folder: Path | None) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="commission-spark-", dir=folder) as work:
        yield Path(work)


@contextmanager
def _environment(local: bool) -> Iterator[None]:
    """What Spark takes from nowhere else than the environment, while it starts."""
    ours = {"SPARK_LOCAL_IP": "127.0.0.1"} if local else {}
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _last_words(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().split("\n")
    return lines[-1] or "it said nothing"
