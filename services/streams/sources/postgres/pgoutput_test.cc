#include "services/streams/sources/postgres/pgoutput.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "common/auth/crypto.h"
#include "common/payload/json_scanner.h"
#include "services/streams/sources/postgres/change_record.h"

namespace covet::streams::postgres {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// The messages in testdata/pgoutput.txt come from a server that ran:
//
//   create table accounts(id int primary key, owner text, balance numeric, active bool, meta jsonb,
//     raw bytea, ratio float8, big int8, at timestamptz, doc text);
//   alter table accounts alter column doc set storage external;
//   create table pairs(a int, b text, v text, primary key(a,b));
//   create table whole(id int, doc text);
//   alter table whole replica identity full; alter table whole alter column doc set storage
//   external;
//   -- and, from here on, what is in the file:
//   insert into accounts values (1, 'Zoë "q"', 12.50, true, '{"a":[1,2.0]}', '\xdeadbeef', 'NaN',
//     9223372036854775807, '2025-09-10 12:00:00+00', repeat('x',3000));
//   update accounts set balance=13 where id=1;
//   update accounts set id=2, active=null where id=1;
//   delete from accounts where id=2;
//   begin; insert into pairs values (1,'x','v'); update pairs set b='y' where a=1;
//     insert into whole values (7,repeat('y',3000)); update whole set id=8; delete from whole;
//   commit;
//   truncate accounts, pairs restart identity cascade;
//   alter table pairs add column n numeric;
//   insert into pairs values (3,'z',null,'Infinity');
std::vector<std::string> Captured() {
  std::ifstream in(COVET_TESTDATA "/pgoutput.txt");
  std::vector<std::string> messages;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#')) continue;
    messages.push_back(*auth::DecodeHex(line.substr(line.find(' ') + 1)));
  }
  return messages;
}

// The records of what was captured, transactions separated by "commit".
std::vector<std::string> Records(size_t max_bytes = 64 << 10) {
  MessageDecoder decoder;
  ChangeRecordWriter writer(max_bytes);
  std::vector<std::string> out;
  int64_t sequence = 0;
  for (const std::string& message : Captured()) {
    const auto kind = decoder.Decode(message);
    EXPECT_TRUE(kind.ok()) << kind.status();
    std::string record;
    switch (*kind) {
      case MessageKind::kBegin:
        writer.SetTransaction(decoder.begin());
        sequence = 0;
        break;
      case MessageKind::kCommit:
        EXPECT_LT(decoder.commit().commit_lsn, decoder.commit().end_lsn);
        out.push_back("commit");
        break;
      case MessageKind::kRelation:
        writer.SetRelation(decoder.relation());
        break;
      case MessageKind::kRowChange:
        EXPECT_TRUE(writer.WriteRow(decoder.row_change(), ++sequence, &record));
        out.push_back(record);
        break;
      case MessageKind::kTruncate:
        for (const uint32_t relation : decoder.truncate().relations) {
          EXPECT_TRUE(writer.WriteTruncate(relation, decoder.truncate(), ++sequence, &record));
          out.push_back(record);
        }
        break;
      case MessageKind::kIgnored:
        break;
    }
  }
  for (const std::string& record : out) {
    if (record != "commit") EXPECT_TRUE(payload::ScanJson(record).ok()) << record;
  }
  return out;
}

std::string Replaced(std::string text, const std::string& what, const std::string& with) {
  for (size_t at = 0; (at = text.find(what, at)) != std::string::npos; at += with.size()) {
    text.replace(at, what.size(), with);
  }
  return text;
}

TEST(PgoutputTest, WhatAServerSentBecomesRecords) {
  std::vector<std::string> records = Records();
  for (std::string& record : records) {
    record = Replaced(record, std::string(3000, 'x'), "XXX");
    record = Replaced(record, std::string(3000, 'y'), "YYY");
  }
  EXPECT_THAT(
      records,
      ElementsAre(
          R"({"timestamp":"2026-11-24T08:29:25.047Z","key":"public.accounts:1","action":"insert",)"
          R"("schema":"public","table":"accounts","identity":{"id":1},"new":{"id":1,)"
          R"("owner":"Zoë \"q\"","balance":12.50,"active":true,"meta":{"a": [1, 2.0]},)"
          R"("raw":"\\xdeadbeef","ratio":"NaN","big":9223372036854775807,)"
          R"("at":"2025-09-10 12:00:00+00","doc":"XXX"},"replica_identity":"default",)"
          R"("lsn":"0/153A448","transaction_id":731,"sequence":1})",
          "commit",
          // The long text was not touched, and is not sent.
          R"({"timestamp":"2026-11-24T08:29:25.055Z","key":"public.accounts:1","action":"update",)"
          R"("schema":"public","table":"accounts","identity":{"id":1},"new":{"id":1,)"
          R"("owner":"Zoë \"q\"","balance":13,"active":true,"meta":{"a": [1, 2.0]},)"
          R"("raw":"\\xdeadbeef","ratio":"NaN","big":9223372036854775807,)"
          R"("at":"2025-09-10 12:00:00+00"},"unchanged":["doc"],"replica_identity":"default",)"
          R"("lsn":"0/153A568","transaction_id":732,"sequence":1})",
          "commit",
          // A new key: the old one is told.
          R"({"timestamp":"2026-11-24T08:29:25.062Z","key":"public.accounts:2","action":"update",)"
          R"("schema":"public","table":"accounts","identity":{"id":2},"new":{"id":2,)"
          R"("owner":"Zoë \"q\"","balance":13,"active":null,"meta":{"a": [1, 2.0]},)"
          R"("raw":"\\xdeadbeef","ratio":"NaN","big":9223372036854775807,)"
          R"("at":"2025-09-10 12:00:00+00"},"old":{"id":1},"unchanged":["doc"],)"
          R"("replica_identity":"default","lsn":"0/153A6E0","transaction_id":733,"sequence":1})",
          "commit",
          R"({"timestamp":"2026-11-24T08:29:25.068Z","key":"public.accounts:2","action":"delete",)"
          R"("schema":"public","table":"accounts","identity":{"id":2},"old":{"id":2},)"
          R"("replica_identity":"default","lsn":"0/153A7C8","transaction_id":734,"sequence":1})",
          "commit",
          R"({"timestamp":"2026-11-24T08:29:25.071Z","key":"public.pairs:1,x","action":"insert",)"
          R"("schema":"public","table":"pairs","identity":{"a":1,"b":"x"},)"
          R"("new":{"a":1,"b":"x","v":"v"},"replica_identity":"default","lsn":"0/153CFC8",)"
          R"("transaction_id":735,"sequence":1})",
          R"({"timestamp":"2026-11-24T08:29:25.071Z","key":"public.pairs:1,y","action":"update",)"
          R"("schema":"public","table":"pairs","identity":{"a":1,"b":"y"},)"
          R"("new":{"a":1,"b":"y","v":"v"},"old":{"a":1,"b":"x"},"replica_identity":"default",)"
          R"("lsn":"0/153CFC8","transaction_id":735,"sequence":2})",
          // REPLICA IDENTITY FULL names whole rows and no key; the old row fills in what was not
          // touched.
          R"({"timestamp":"2026-11-24T08:29:25.071Z","action":"insert","schema":"public",)"
          R"("table":"whole","new":{"id":7,"doc":"YYY"},"replica_identity":"full",)"
          R"("lsn":"0/153CFC8","transaction_id":735,"sequence":3})",
          R"({"timestamp":"2026-11-24T08:29:25.071Z","action":"update","schema":"public",)"
          R"("table":"whole","new":{"id":8,"doc":"YYY"},"old":{"id":7,"doc":"YYY"},)"
          R"("replica_identity":"full","lsn":"0/153CFC8","transaction_id":735,"sequence":4})",
          R"({"timestamp":"2026-11-24T08:29:25.071Z","action":"delete","schema":"public",)"
          R"("table":"whole","old":{"id":8,"doc":"YYY"},"replica_identity":"full",)"
          R"("lsn":"0/153CFC8","transaction_id":735,"sequence":5})",
          "commit",
          R"({"timestamp":"2026-11-24T08:29:25.102Z","action":"truncate","schema":"public",)"
          R"("table":"accounts","cascade":true,"restart_identity":true,)"
          R"("replica_identity":"default","lsn":"0/153E6F8","transaction_id":736,"sequence":1})",
          R"({"timestamp":"2026-11-24T08:29:25.102Z","action":"truncate","schema":"public",)"
          R"("table":"pairs","cascade":true,"restart_identity":true,)"
          R"("replica_identity":"default","lsn":"0/153E6F8","transaction_id":736,"sequence":2})",
          "commit",
          // After ALTER TABLE the table is described anew.
          R"({"timestamp":"2026-11-24T08:29:25.127Z","key":"public.pairs:3,z","action":"insert",)"
          R"("schema":"public","table":"pairs","identity":{"a":3,"b":"z"},)"
          R"("new":{"a":3,"b":"z","v":null,"n":"Infinity"},"replica_identity":"default",)"
          R"("lsn":"0/153EE28","transaction_id":738,"sequence":1})",
          "commit"));
}

TEST(PgoutputTest, LargeValuesAreLeftOutAndNamed) {
  const std::vector<std::string> records = Records(/*max_bytes=*/1200);
  EXPECT_THAT(records[0], HasSubstr(R"("omitted":["doc"],"replica_identity")"));
  EXPECT_THAT(records[0], HasSubstr(R"("balance":12.50)"));
  EXPECT_THAT(records[0], Not(HasSubstr("xxxx")));
  EXPECT_THAT(Records(/*max_bytes=*/300)[0],
              HasSubstr(R"("table":"accounts","omitted":["*"],"replica_identity")"));
}

TEST(PgoutputTest, EveryCutMessageIsRefused) {
  MessageDecoder decoder;
  for (const std::string& message : Captured()) {
    for (size_t size = 0; size < message.size(); ++size) {
      EXPECT_FALSE(decoder.Decode(message.substr(0, size)).ok()) << message[0] << size;
    }
    EXPECT_FALSE(decoder.Decode(message + "x").ok()) << message[0];
  }
  EXPECT_FALSE(decoder.Decode("Z").ok());
  EXPECT_TRUE(decoder.Decode("O").ok());
}

TEST(PgoutputTest, ChangesOfUnknownTablesAreNoRecords) {
  ChangeRecordWriter writer(1000);
  RowChange change;
  change.relation = 7;
  change.new_row.resize(1);
  std::string record;
  EXPECT_FALSE(writer.WriteRow(change, 1, &record));
  writer.SetRelation({7, "s", "t", ReplicaIdentity::kDefault, {{true, "a", 23}, {false, "b", 25}}});
  EXPECT_FALSE(writer.WriteRow(change, 1, &record));  // One column of two.
  EXPECT_FALSE(writer.WriteTruncate(8, {}, 1, &record));
  change.new_row.resize(2);
  writer.SetTransaction({});
  EXPECT_TRUE(writer.WriteRow(change, 1, &record));
}

// The value that a column of this type shows.
std::string Value(uint32_t type, std::string_view text) {
  ChangeRecordWriter writer(64 << 10);
  writer.SetRelation({1, "s", "t", ReplicaIdentity::kNothing, {{false, "v", type}}});
  writer.SetTransaction({});
  RowChange change;
  change.relation = 1;
  change.new_row = {{CellKind::kText, text}};
  std::string record;
  EXPECT_TRUE(writer.WriteRow(change, 1, &record));
  const size_t begin = record.find(R"({"v":)") + 5;
  return record.substr(begin, record.find(R"(},"replica_identity")") - begin);
}

TEST(PgoutputTest, ValuesKeepEveryDigit) {
  EXPECT_EQ(Value(1700, "123456789012345678901234567890.000"),
            "123456789012345678901234567890.000");
  EXPECT_EQ(Value(1700, "-Infinity"), R"("-Infinity")");
  EXPECT_EQ(Value(701, "1e-300"), "1e-300");
  EXPECT_EQ(Value(20, "-9223372036854775808"), "-9223372036854775808");
  EXPECT_EQ(Value(16, "f"), "false");
  EXPECT_EQ(Value(114, "{\"b\":1.0, \"b\":2}"), "{\"b\":1.0, \"b\":2}");
  EXPECT_EQ(Value(3802, "not json"), R"("not json")");
  EXPECT_EQ(Value(3802, std::string(100, '[') + std::string(100, ']')),
            '"' + std::string(100, '[') + std::string(100, ']') + '"');
  EXPECT_EQ(Value(1007, "{1,2}"), R"("{1,2}")");
}

TEST(PgoutputTest, LongKeysBecomeDigests) {
  ChangeRecordWriter writer(64 << 10);
  writer.SetRelation({1, "s", "t", ReplicaIdentity::kDefault, {{true, "v", 25}}});
  writer.SetTransaction({});
  const std::string text(200, 'k');
  RowChange change;
  change.relation = 1;
  change.new_row = {{CellKind::kText, text}};
  std::string record;
  ASSERT_TRUE(writer.WriteRow(change, 1, &record));
  EXPECT_THAT(record,
              HasSubstr(R"("key":"sha256:)" + auth::EncodeHex(auth::Sha256("s.t:" + text)) + "\""));
}

TEST(PgoutputTest, FramesOfTheReplicationProtocol) {
  const std::string data =
      *auth::DecodeHex("77000000000153a448000000000153a4480003040046d59c7742ff");
  const auto frame = DecodeFrame(data);
  ASSERT_TRUE(frame.ok());
  EXPECT_FALSE(frame->keepalive);
  EXPECT_EQ(LsnText(frame->start), "0/153A448");
  EXPECT_EQ(frame->server_ms, 1795508965047);  // 2026-11-24T08:29:25.047Z
  EXPECT_EQ(frame->message, "\x42\xff");
  const auto keepalive =
      DecodeFrame(*auth::DecodeHex("6b000000000153a448"
                                   "0003040046d59c77"
                                   "01"));
  ASSERT_TRUE(keepalive.ok());
  EXPECT_TRUE(keepalive->keepalive && keepalive->reply_requested);
  EXPECT_EQ(LsnText(keepalive->server_end), "0/153A448");
  EXPECT_FALSE(DecodeFrame("").ok());
  EXPECT_FALSE(DecodeFrame("w12").ok());
  EXPECT_FALSE(DecodeFrame("x").ok());
  // As pg_recvlogical writes it: 'r', written, flushed, applied, clock, reply.
  EXPECT_EQ(auth::EncodeHex(EncodeStatusUpdate(0x153A448, 0x153A440, 1795508965047, false)),
            "72000000000153a448000000000153a440000000000153a4400003040046d59ad8"
            "00");
}

TEST(LsnTest, TextGoesBothWays) {
  EXPECT_EQ(LsnText(0x16B3748), "0/16B3748");
  EXPECT_EQ(ParseLsn("16/B374D848"), 0x16B374D848u);
  EXPECT_EQ(ParseLsn("0/0"), 0u);
  for (const char* bad : {"", "0", "/", "0/", "/0", "0/x", "1/2/3", "123456789/0", "0/-1"}) {
    EXPECT_FALSE(ParseLsn(bad)) << bad;
  }
}

}  // namespace
}  // namespace covet::streams::postgres
