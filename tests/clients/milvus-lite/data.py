"""Collections and what is in them."""

import struct

from pymilvus import DataType, MilvusClient
from pymilvus.grpc_gen import common_pb2, milvus_pb2, schema_pb2

DIM = 4
COLORS = ("red", "green", "blue")


def vector(number):
    return [float(number), 1.0, 0.0, 0.0]


def rows(*numbers):
    return [{"id": n, "vector": vector(n), "color": COLORS[n % len(COLORS)]} for n in numbers]


def schema():
    schema = MilvusClient.create_schema()
    schema.add_field("id", DataType.INT64, is_primary=True)
    schema.add_field("vector", DataType.FLOAT_VECTOR, dim=DIM)
    schema.add_field("color", DataType.VARCHAR, max_length=16)
    return schema


def index():
    params = MilvusClient.prepare_index_params()
    params.add_index("vector", index_type="FLAT", metric_type="L2")
    return params


def fill(client, name, count=3):
    """A collection that is indexed and loaded and has the rows 0, 1 and so on."""
    client.create_collection(name, schema=schema(), index_params=index())
    client.insert(name, rows(*range(count)))
    client.load_collection(name)


def pairs(**values):
    return [common_pb2.KeyValuePair(key=key, value=value) for key, value in values.items()]


def schema_bytes(name):
    message = schema_pb2.CollectionSchema(name=name)
    fields = message.fields
    fields.add(fieldID=100, name="id", is_primary_key=True, data_type=schema_pb2.Int64)
    fields.add(fieldID=101, name="vector", data_type=schema_pb2.FloatVector, type_params=pairs(dim=str(DIM)))
    fields.add(fieldID=102, name="color", data_type=schema_pb2.VarChar, type_params=pairs(max_length="16"))
    return message.SerializeToString()


def field_data(*numbers):
    """The rows of these numbers, as Insert takes them."""
    ids = schema_pb2.FieldData(type=schema_pb2.Int64, field_name="id")
    ids.scalars.long_data.data.extend(numbers)
    vectors = schema_pb2.FieldData(type=schema_pb2.FloatVector, field_name="vector")
    vectors.vectors.dim = DIM
    for number in numbers:
        vectors.vectors.float_vector.data.extend(vector(number))
    colors = schema_pb2.FieldData(type=schema_pb2.VarChar, field_name="color")
    colors.scalars.string_data.data.extend(COLORS[n % len(COLORS)] for n in numbers)
    return [ids, vectors, colors]


def insert(name, *numbers, **more):
    return {
        "collection_name": name,
        "fields_data": field_data(*numbers),
        "num_rows": len(numbers),
        "hash_keys": list(numbers),
        **more,
    }


def search(name, number=1, limit=1, **more):
    placeholder = common_pb2.PlaceholderValue(tag="$0", type=common_pb2.PlaceholderType.FloatVector)
    placeholder.values.append(struct.pack(f"<{DIM}f", *vector(number)))
    return {
        "collection_name": name,
        "dsl": "",
        "dsl_type": common_pb2.DslType.BoolExprV1,
        "placeholder_group": common_pb2.PlaceholderGroup(placeholders=[placeholder]).SerializeToString(),
        "search_params": pairs(
            anns_field="vector", topk=str(limit), metric_type="L2", params="{}", round_decimal="-1"
        ),
        "output_fields": ["id"],
        "nq": 1,
        "guarantee_timestamp": 1,
        **more,
    }


def hybrid_search(name, nested=None, **more):
    request = milvus_pb2.SearchRequest(**search(nested or name))
    return {
        "collection_name": name,
        "requests": [request, request],
        "rank_params": pairs(strategy="rrf", params='{"k": 60}', limit="1", round_decimal="-1"),
        "output_fields": ["id"],
        "guarantee_timestamp": 1,
        **more,
    }


def query(name, expr="id >= 0", **more):
    return {"collection_name": name, "expr": expr, "output_fields": ["id"], "guarantee_timestamp": 1, **more}
