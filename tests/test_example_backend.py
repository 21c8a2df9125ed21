"""The example backend by itself."""

import grpc
import pytest

from harness.grpc_api import error_info


def test_takes_and_finds_orders(backend):
    order = backend.call("Orders/CreateOrder", customer={"name": "Ada", "email": "ada@example.com"}, items=[{"sku": "tea", "quantity": 2, "price": 1.25}])
    assert order["total_cents"] == "250"
    assert backend.call("Orders/GetOrder", order_id=order["order_id"]) == order
    with pytest.raises(grpc.RpcError) as refused:
        backend.call("Orders/GetOrder", order_id="nobody")
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND
    assert error_info(refused.value).reason == "ORDER_NOT_FOUND"


def test_restarts_with_the_next_schema(backend):
    port = backend.port
    backend.stop()
    backend.start("--next")
    assert backend.port == port
    order = backend.call("Orders/CreateOrder", customer={"name": "Ada"}, items=[{"sku": "tea"}])
    assert backend.call("Orders/CancelOrder", order_id=order["order_id"])["order_id"] == order["order_id"]
    assert backend.call("Lab/GetCounters")["started"] == {"Orders/CreateOrder": "1", "Orders/CancelOrder": "1"}
