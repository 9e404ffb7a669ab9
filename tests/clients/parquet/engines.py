"""Runs the statements of docs/archive.md on archived months, and prints what each engine answers.

Arguments: the engine (duckdb, spark or pyarrow), the document, the files' folder.
"""

import datetime
import decimal
import json
import os
import re
import sys

# Spark gives times in the process's zone.
os.environ["TZ"] = "UTC"


def statements(document, engine):
    """The SQL blocks marked with the engine's name."""
    blocks = re.findall(r"^```sql (\w+)\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    return [sql.strip().removesuffix(";") for name, sql in blocks if name == engine]


def plain(value):
    """A value as JSON has it: decimals with all their digits, times as microseconds."""
    if isinstance(value, decimal.Decimal):
        return f"{value:.4f}"
    if isinstance(value, datetime.datetime):
        utc = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        since = utc - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
        return since // datetime.timedelta(microseconds=1)
    return value


def duckdb_answers(document, folder):
    import duckdb

    database = duckdb.connect(config={"threads": 2})
    database.execute("set TimeZone = 'UTC'")
    create, *queries = [sql.replace("FILES", folder) for sql in statements(document, "duckdb")]
    database.execute(create)
    for query in queries:
        table = database.execute(query).to_arrow_table()
        yield [list(row.values()) for row in table.to_pylist()]


def spark_answers(document, folder):
    from pyspark.sql import SparkSession

    settings = {
        "spark.sql.sources.partitionColumnTypeInference.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.ui.enabled": "false",
        # For a few small queries it does not pay to compile much.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.codegen.wholeStage": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.sql.warehouse.dir": os.path.join(folder, "..", "warehouse"),
    }
    builder = SparkSession.builder.master("local[2]")
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    try:
        create, *queries = [sql.replace("FILES", folder) for sql in statements(document, "spark")]
        spark.sql(create)
        for query in queries:
            yield [list(row) for row in spark.sql(query).collect()]
    finally:
        spark.stop()


def pyarrow_answers(document, folder):
    import pyarrow
    from pyarrow import dataset

    month = dataset.partitioning(pyarrow.schema([("month", pyarrow.string())]), flavor="hive")
    found = dataset.dataset(os.path.join(folder, "transactions"), partitioning=month)
    yield [[field.name, str(field.type), field.nullable] for field in found.schema]
    table = found.to_table().sort_by([("month", "ascending"), ("account_id", "ascending"), ("revision", "ascending")])
    yield [list(row.values()) for row in table.to_pylist()]


engine, path, folder = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    text = file.read()
answers = {"duckdb": duckdb_answers, "spark": spark_answers, "pyarrow": pyarrow_answers}[engine](text, folder)
json.dump([[[plain(value) for value in row] for row in rows] for rows in answers], sys.stdout)
