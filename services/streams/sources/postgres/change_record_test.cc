#include "services/streams/sources/postgres/change_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>

namespace covet::streams::postgres {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr uint32_t kText = 25;
constexpr uint32_t kTable = 7;

Cell Text(std::string_view text) { return {CellKind::kText, text}; }
Cell Unchanged() { return {CellKind::kUnchanged, {}}; }
Cell Null() { return {CellKind::kNull, {}}; }

class ChangeRecordTest : public testing::Test {
 protected:
  ChangeRecordTest() { writer_.SetTransaction({.commit_lsn = 1, .transaction_id = 5}); }

  // A table of text columns, of which the first `keys` are the identity.
  void Describe(int columns, int keys) {
    Relation relation;
    relation.id = kTable;
    relation.schema = "public";
    relation.table = "t";
    for (int i = 0; i < columns; ++i) {
      relation.columns.push_back({i < keys, std::string(1, static_cast<char>('a' + i)), kText});
    }
    writer_.SetRelation(relation);
  }
  std::string Write(const RowChange& change) {
    std::string out;
    EXPECT_TRUE(writer_.WriteRow(change, 1, &out));
    return out;
  }
  std::string KeyOf(Row row) {
    const std::string record = Write({.relation = kTable, .new_row = std::move(row)});
    const size_t begin = record.find(R"("key":)");
    return record.substr(begin, record.find(R"(,"action")") - begin);
  }

  ChangeRecordWriter writer_{64 << 10};
};

TEST_F(ChangeRecordTest, RowsOfSeveralKeyColumnsHaveKeysOfTheirOwn) {
  Describe(/*columns=*/3, /*keys=*/2);
  EXPECT_EQ(KeyOf({Text("x"), Text("y"), Null()}), R"("key":"public.t:x,y")");
  EXPECT_EQ(KeyOf({Text("a,b"), Text("c"), Null()}), R"("key":"public.t:a\\,b,c")");
  EXPECT_EQ(KeyOf({Text("a"), Text("b,c"), Null()}), R"("key":"public.t:a,b\\,c")");
  EXPECT_NE(KeyOf({Text("a\\"), Text("b"), Null()}), KeyOf({Text("a\\,b"), Text(""), Null()}));
  EXPECT_NE(KeyOf({Text("a\\"), Text(",b"), Null()}), KeyOf({Text("a\\,"), Text("b"), Null()}));
}

TEST_F(ChangeRecordTest, OneKeyColumnStandsAsItIs) {
  Describe(/*columns=*/2, /*keys=*/1);
  EXPECT_EQ(KeyOf({Text("a,b"), Null()}), R"("key":"public.t:a,b")");
}

TEST_F(ChangeRecordTest, AnIdentityThatIsNotSentAgainIsTheOneOfBefore) {
  Describe(/*columns=*/3, /*keys=*/2);
  const std::string record = Write({.action = RowAction::kUpdate,
                                    .relation = kTable,
                                    .old_kind = OldRow::kIdentity,
                                    .old_row = {Text("long"), Text("1"), Null()},
                                    .new_row = {Unchanged(), Text("2"), Text("z")}});
  EXPECT_THAT(record,
              AllOf(HasSubstr(R"("key":"public.t:long,2")"),
                    HasSubstr(R"("identity":{"a":"long","b":"2"})"),
                    HasSubstr(R"("old":{"a":"long","b":"1"})"), HasSubstr(R"("unchanged":["a"])")));
}

TEST_F(ChangeRecordTest, WithoutItTheRowHasNoName) {
  Describe(/*columns=*/3, /*keys=*/2);
  const std::string record = Write({.action = RowAction::kUpdate,
                                    .relation = kTable,
                                    .new_row = {Unchanged(), Text("2"), Text("z")}});
  EXPECT_THAT(record,
              AllOf(Not(HasSubstr(R"("key")")), Not(HasSubstr(R"("identity":)")),
                    HasSubstr(R"("new":{"b":"2","c":"z"})"), HasSubstr(R"("unchanged":["a"])")));
}

}  // namespace
}  // namespace covet::streams::postgres
