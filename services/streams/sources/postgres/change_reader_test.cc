#include "services/streams/sources/postgres/change_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "common/auth/crypto.h"
#include "common/eventlog/record_codec.h"
#include "services/streams/domain/stored_record.h"

namespace covet::streams::postgres {
namespace {

// What a server sent (see pgoutput_test.cc), as frames.
std::vector<std::pair<Lsn, std::string>> Captured() {
  std::ifstream in(COVET_TESTDATA "/pgoutput.txt");
  std::vector<std::pair<Lsn, std::string>> messages;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with('#')) continue;
    const size_t space = line.find(' ');
    messages.emplace_back(*ParseLsn(line.substr(0, space)),
                          *auth::DecodeHex(line.substr(space + 1)));
  }
  return messages;
}

std::vector<std::string> Take(RecordBuffer buffer) {
  const std::string bytes = std::move(buffer).Encode(false);
  eventlog::RecordCursor cursor(bytes);
  std::vector<std::string> records;
  std::string_view record;
  while (cursor.Next(&record)) {
    StoredRecord stored;
    EXPECT_TRUE(ParseStored(record, &stored));
    records.emplace_back(stored.gap ? "gap" : "").append(stored.json);
  }
  return records;
}

class Session {
 public:
  explicit Session(SlotPosition start) : reader_(std::move(start)) {}

  absl::Status Send(const std::pair<Lsn, std::string>& message) {
    ReplicationFrame frame;
    frame.start = frame.server_end = message.first;
    frame.server_ms = 1795508966000;
    frame.message = message.second;
    return reader_.Take(frame, &buffer_);
  }
  absl::Status Keepalive(Lsn end) {
    ReplicationFrame frame;
    frame.keepalive = true;
    frame.server_end = end;
    return reader_.Take(frame, &buffer_);
  }
  ChangeReader& reader() { return reader_; }
  RecordBuffer& buffer() { return buffer_; }
  std::vector<std::string> records() { return Take(std::move(buffer_)); }

 private:
  ChangeReader reader_;
  RecordBuffer buffer_{0};
};

TEST(ChangeReaderTest, GoesOnExactlyFromAnyPlace) {
  const auto messages = Captured();
  Session whole({"sys", {}, false});
  for (const auto& message : messages) ASSERT_TRUE(whole.Send(message).ok());
  const std::vector<std::string> all = whole.records();
  ASSERT_EQ(all.size(), 12u);
  EXPECT_EQ(LsnText(whole.reader().confirmable()), "0/153EE58");
  EXPECT_FALSE(whole.reader().in_transaction());

  // Killed after each message, the server sends everything again, from the slot's beginning.
  for (size_t cut = 0; cut <= messages.size(); ++cut) {
    Session before({"sys", {}, false});
    for (size_t i = 0; i < cut; ++i) ASSERT_TRUE(before.Send(messages[i]).ok());
    const SlotPosition position = *SlotPosition::Parse(before.reader().position().Text());
    Session after(position);
    for (const auto& message : messages) ASSERT_TRUE(after.Send(message).ok());
    std::vector<std::string> records = before.records();
    for (std::string& record : after.records()) records.push_back(std::move(record));
    EXPECT_EQ(records, all) << cut;
    EXPECT_EQ(after.reader().position().Text(), whole.reader().position().Text());
  }
}

TEST(ChangeReaderTest, ConfirmsWholeTransactionsOnly) {
  const auto messages = Captured();
  Session session({"sys", {}, false});
  Lsn end = 0;
  for (const auto& message : messages) {
    ASSERT_TRUE(session.Send(message).ok());
    if (message.second[0] == 'C') {
      EXPECT_GT(session.reader().confirmable(), end);
      end = session.reader().confirmable();
    }
    EXPECT_EQ(session.reader().confirmable(), end);
    EXPECT_EQ(session.reader().in_transaction(), message.second[0] != 'C');
    // A keepalive in a transaction tells nothing of it.
    if (session.reader().in_transaction()) {
      ASSERT_TRUE(session.Keepalive(0xFFFF'FFFF).ok());
      EXPECT_EQ(session.reader().confirmable(), end);
    }
  }
  EXPECT_GT(session.reader().lag_ms(), 0);
  ASSERT_TRUE(session.Keepalive(0x2000000).ok());
  EXPECT_EQ(LsnText(session.reader().confirmable()), "0/2000000");
  EXPECT_EQ(session.reader().lag_ms(), 0);
}

TEST(ChangeReaderTest, AGapStaysInThePositionUntilARecordTellsIt) {
  Session session({"sys", {}, true});
  session.buffer().MarkGap();
  EXPECT_EQ(session.reader().position().Text(), "sys 0/0 0 gap");
  const auto messages = Captured();
  for (size_t i = 0; i < 2; ++i) ASSERT_TRUE(session.Send(messages[i]).ok());
  EXPECT_TRUE(SlotPosition::Parse(session.reader().position().Text())->gap);
  ASSERT_TRUE(session.Send(messages[2]).ok());
  EXPECT_EQ(session.reader().position().Text(), "sys 0/153A448 1");
  EXPECT_TRUE(session.records()[0].starts_with("gap{"));
}

TEST(ChangeReaderTest, RefusesWhatIsOutOfOrder) {
  const auto messages = Captured();
  EXPECT_FALSE(Session({"sys", {}, false}).Send(messages[2]).ok());  // A change without a begin.
  EXPECT_FALSE(Session({"sys", {}, false}).Send(messages[3]).ok());  // A commit without one.
  Session session({"sys", {}, false});
  ASSERT_TRUE(session.Send(messages[0]).ok());
  EXPECT_FALSE(session.Send(messages[0]).ok());
  EXPECT_FALSE(session.Send(messages[2]).ok());  // Its table was not described.
}

TEST(SlotPositionTest, RefusesOtherTexts) {
  EXPECT_EQ(SlotPosition::Parse("7 1/2 3")->at, (ChangePosition{0x1'0000'0002, 3}));
  for (const char* bad : {"", "7", "7 1/2", "7 12 3", "7 1/2 x", "7 1/2 3 4", "7 1/2 3 gap gap"}) {
    EXPECT_FALSE(SlotPosition::Parse(bad)) << bad;
  }
}

}  // namespace
}  // namespace covet::streams::postgres
