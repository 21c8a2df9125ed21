#include "common/backends/method_table.h"

#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace covet::backends {
namespace {

std::shared_ptr<const protojson::Schema> ShopSchema() {
  google::protobuf::FileDescriptorProto file;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(
      R"pb(
        name: "shop.proto"
        package: "shop.v1"
        syntax: "proto3"
        message_type { name: "Order" }
        service {
          name: "Orders"
          method { name: "GetOrder" input_type: ".shop.v1.Order" output_type: ".shop.v1.Order" }
          method {
            name: "WatchHTTPOrders"
            input_type: ".shop.v1.Order"
            output_type: ".shop.v1.Order"
            server_streaming: true
          }
        })pb",
      &file));
  auto schema = protojson::Schema::Build({file});
  EXPECT_TRUE(schema.ok()) << schema.status();
  return *schema;
}

TEST(MethodTableTest, NamesMethods) {
  config::v1::BackendConfig config;
  auto* const service = config.add_services();
  service->set_service("shop.v1.Orders");
  service->set_prefix("orders");
  service->add_idempotent_methods("GetOrder");
  service->add_idempotent_methods("NoSuchMethod");
  config.add_services()->set_service("shop.v1.Gone");
  const auto table = std::make_shared<const MethodTable>(config, ShopSchema(), 3);

  ASSERT_EQ(table->methods().size(), 2u);
  EXPECT_EQ(table->generation(), 3u);
  const Method* const get = table->Find("orders.get_order");
  ASSERT_NE(get, nullptr);
  EXPECT_EQ(get, table->Find("shop.v1.Orders/GetOrder"));
  EXPECT_EQ(get->path, "/shop.v1.Orders/GetOrder");
  EXPECT_TRUE(get->unary());
  EXPECT_TRUE(get->idempotent);
  const Method* const watch = table->Find("orders.watch_http_orders");
  ASSERT_NE(watch, nullptr);
  EXPECT_TRUE(watch->server_streaming);
  EXPECT_FALSE(watch->unary());
  EXPECT_FALSE(watch->idempotent);
  EXPECT_EQ(table->Find("orders.drop"), nullptr);
  EXPECT_EQ(table->missing(),
            (std::vector<std::string>{"shop.v1.Orders/NoSuchMethod", "shop.v1.Gone"}));
}

TEST(MethodTableTest, MakesSnakeCase) {
  EXPECT_EQ(SnakeCase("GetOrder"), "get_order");
  EXPECT_EQ(SnakeCase("GetHTTPStatus"), "get_http_status");
  EXPECT_EQ(SnakeCase("get"), "get");
  EXPECT_EQ(SnakeCase("TestConnection2"), "test_connection2");
  EXPECT_EQ(SnakeCase("List_Items"), "list_items");
}

}  // namespace
}  // namespace covet::backends
