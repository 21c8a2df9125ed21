#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <string>
#include <vector>

#include "edge/transport/testing/raw_client.h"
#include "edge/transport/testing/test_server.h"

namespace covet::edge {
namespace {

constexpr std::string_view kOfferDeflate =
    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";

std::string Text(size_t size) {
  std::string text;
  for (size_t i = 0; text.size() < size; ++i) text += "{\"n\":" + std::to_string(i) + "},";
  text.resize(size);
  return text;
}

TEST(WebSocketTest, EchoesEveryLengthClass) {
  TransportOptions options = TestServer::Options();
  options.initial_max_message_bytes = 1 << 20;
  TestServer server(options);
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port()));
  for (size_t size : {0, 1, 125, 126, 511, 512, 513, 1535, 1536, 2048, 65535, 65536, 1 << 20}) {
    const std::string text = Text(size);
    ASSERT_TRUE(client.SendText(text));
    const RawFrame frame = client.ReadFrame();
    EXPECT_EQ(frame.opcode, 1);
    EXPECT_TRUE(frame.payload == text) << size;
    ASSERT_TRUE(client.Write(RawClient::MaskedFrame(2, text)));
    EXPECT_EQ(client.ReadFrame().opcode, 2);
  }
  EXPECT_EQ(server.Total(&TransportCounters::messages_in), 26u);
  EXPECT_EQ(server.Total(&TransportCounters::messages_out), 26u);
}

TEST(WebSocketTest, JoinsFragmentsWithControlFramesBetween) {
  TestServer server;
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port()));
  // Cut within a UTF-8 character.
  ASSERT_TRUE(client.Write(RawClient::MaskedFrame(1, "gr\xc3", /*fin=*/false)));
  ASSERT_TRUE(client.Write(RawClient::MaskedFrame(9, "are you there")));
  ASSERT_TRUE(client.Write(RawClient::MaskedFrame(0, "", /*fin=*/false)));
  ASSERT_TRUE(client.Write(RawClient::MaskedFrame(0, "\xbc\xc3\x9f", /*fin=*/false)));
  ASSERT_TRUE(client.Write(RawClient::MaskedFrame(0, "e")));
  const RawFrame pong = client.ReadFrame();
  EXPECT_EQ(pong.opcode, 10);
  EXPECT_EQ(pong.payload, "are you there");
  EXPECT_EQ(client.ReadFrame().payload,
            "gr\xc3\xbc\xc3\x9f"
            "e");
}

TEST(WebSocketTest, AMessageMayComeByteByByte) {
  TestServer server;
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port()));
  for (const char byte : RawClient::MaskedFrame(1, Text(300))) {
    ASSERT_TRUE(client.Write(std::string_view(&byte, 1)));
  }
  EXPECT_EQ(client.ReadFrame().payload, Text(300));
}

TEST(WebSocketTest, ViolationsAreClosedWithTheirCode) {
  TransportOptions options = TestServer::Options();
  options.initial_max_message_bytes = 1000;
  TestServer server(options);
  std::string unmasked("\x81\x02hi", 4);
  const struct {
    std::string bytes;
    int code;
  } kCases[] = {
      {RawClient::MaskedFrame(1, std::string(1001, 'x')), 1009},
      {RawClient::MaskedFrame(1, std::string(600, 'x'), false) +
           RawClient::MaskedFrame(0, std::string(600, 'x')),
       1009},
      {RawClient::MaskedFrame(1, "\xff\xfe"), 1007},
      {RawClient::MaskedFrame(1, "\xed\xa0\x80"), 1007},
      {RawClient::MaskedFrame(1, "cut \xc3"), 1007},
      // Known bad before the message is complete.
      {RawClient::MaskedFrame(1, "\xc3\x28", false), 1007},
      {unmasked, 1002},
      {RawClient::MaskedFrame(3, "reserved opcode"), 1002},
      {RawClient::MaskedFrame(1, "rsv1", true, /*rsv1=*/true), 1002},
      {RawClient::MaskedFrame(0, "continues nothing"), 1002},
      {RawClient::MaskedFrame(9, std::string(126, 'p')), 1002},
      {RawClient::MaskedFrame(9, "fragmented ping", false), 1002},
      {RawClient::CloseFrame(1005), 1002},
      {RawClient::MaskedFrame(8, "x"), 1002},
  };
  for (const auto& c : kCases) {
    RawClient client;
    ASSERT_TRUE(client.ConnectWebSocket(server.port()));
    // More follows unread, which must not destroy the close frame on its way.
    ASSERT_TRUE(client.Write(c.bytes + std::string(100000, 'r')));
    const RawFrame close = client.ReadFrame();
    EXPECT_EQ(close.opcode, 8);
    EXPECT_EQ(close.close_code(), c.code) << c.bytes;
    server.ExpectEvent("closed " + std::to_string(c.code));
    client.ShutdownWrite();
    EXPECT_EQ(client.ReadToEnd(), "");
  }
  EXPECT_EQ(server.Total(&TransportCounters::protocol_errors), std::size(kCases));
}

TEST(WebSocketTest, TheLimitCanBeRaisedAfterwards) {
  TransportOptions options = TestServer::Options();
  options.initial_max_message_bytes = 100;
  TestServer server(options);
  server.on_message = [](Connection& connection, std::string_view message, bool) {
    connection.SetMaxMessageBytes(1000);
    connection.Send({.frame = Frame::Text(std::string(message))});
  };
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port()));
  ASSERT_TRUE(client.SendText("small") && client.SendText(Text(1000)));
  EXPECT_EQ(client.ReadFrame().payload, "small");
  EXPECT_EQ(client.ReadFrame().payload, Text(1000));
}

TEST(WebSocketTest, PongsCarryThePingsPayloadBothWays) {
  TestServer server;
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port()));
  server.ExpectEvent("open 127.0.0.1");
  server.WithConnection([](Connection& connection) {
    connection.Send({.frame = Frame::Text("message")});
    connection.Ping("n1");
    connection.Ping("n2");
  });
  for (const char* payload : {"n1", "n2"}) {
    const RawFrame ping = client.ReadFrame();
    EXPECT_EQ(ping.opcode, 9);
    EXPECT_EQ(ping.payload, payload);
    ASSERT_TRUE(client.Write(RawClient::MaskedFrame(10, ping.payload)));
    server.ExpectEvent(std::string("pong ") + payload);
  }
  EXPECT_EQ(client.ReadFrame().payload, "message");
}

TEST(WebSocketTest, FramesOfOneTurnLeaveWithOneWrite) {
  TestServer server;
  std::vector<RawClient> clients(3);
  for (RawClient& client : clients) {
    ASSERT_TRUE(client.ConnectWebSocket(server.port()));
    server.ExpectEvent("open 127.0.0.1");
  }
  const uint64_t before = server.Total(&TransportCounters::writes);
  server.WithConnection([](Connection& connection) {
    for (int i = 0; i < 20; ++i) connection.Send({.frame = Frame::Text(std::to_string(i))});
  });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(clients[0].ReadFrame().payload, std::to_string(i));
  EXPECT_EQ(server.Total(&TransportCounters::writes), before + 1);
}

TEST(WebSocketTest, ThePeersCloseIsAnsweredAfterWhatIsQueued) {
  TestServer server;
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port()));
  ASSERT_TRUE(client.Write(RawClient::MaskedFrame(1, "last words") + RawClient::CloseFrame(4000)));
  EXPECT_EQ(client.ReadFrame().payload, "last words");
  const RawFrame close = client.ReadFrame();
  EXPECT_EQ(close.opcode, 8);
  EXPECT_EQ(close.close_code(), 4000);
  server.ExpectEvent("closed 4000");
  // The server ends the connection; the client need not.
  EXPECT_EQ(client.ReadToEnd(), "");
  RawClient silent;
  ASSERT_TRUE(silent.ConnectWebSocket(server.port()));
  ASSERT_TRUE(silent.Write(RawClient::MaskedFrame(8, "")));
  EXPECT_EQ(silent.ReadFrame().opcode, 8);
  server.ExpectEvent("closed 1005");
}

TEST(WebSocketTest, OurCloseFollowsWhatIsQueuedAndEndsWithThePeersAnswer) {
  TestServer server;
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port()));
  server.ExpectEvent("open 127.0.0.1");
  server.WithConnection([](Connection& connection) {
    connection.Send({.frame = Frame::Text("before")});
    connection.Close(4401, "token expired");
    connection.Close(1000, "again");
    EXPECT_EQ(connection.Send({.frame = Frame::Text("after")}), SendResult::kDropped);
  });
  EXPECT_EQ(client.ReadFrame().payload, "before");
  const RawFrame close = client.ReadFrame();
  EXPECT_EQ(close.opcode, 8);
  EXPECT_EQ(close.close_code(), 4401);
  EXPECT_EQ(close.payload.substr(2), "token expired");
  // What still comes is not delivered.
  ASSERT_TRUE(client.SendText("too late"));
  ASSERT_TRUE(client.Write(RawClient::CloseFrame(4401)));
  server.ExpectEvent("closed 4401");
  EXPECT_EQ(client.ReadToEnd(), "");
  EXPECT_EQ(server.Total(&TransportCounters::messages_in), 0u);
}

TEST(WebSocketTest, APeerThatNeverAnswersTheCloseIsCutOff) {
  TransportOptions options = TestServer::Options();
  options.close_timeout_ms = 100;
  TestServer server(options);
  server.on_message = [](Connection& connection, std::string_view, bool) {
    connection.Close(1000, "");
  };
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port()));
  ASSERT_TRUE(client.SendText("close me"));
  EXPECT_EQ(client.ReadFrame().close_code(), 1000);
  server.ExpectEvent("closed 1000");
  EXPECT_EQ(client.ReadToEnd(), "");
}

TEST(WebSocketTest, AConnectionThatBreaksEndsAs1006) {
  TestServer server;
  RawClient ends;
  ASSERT_TRUE(ends.ConnectWebSocket(server.port()));
  ends.ShutdownWrite();
  server.ExpectEvent("closed 1006");
  RawClient resets;
  ASSERT_TRUE(resets.ConnectWebSocket(server.port()));
  ASSERT_TRUE(resets.Write(RawClient::MaskedFrame(1, Text(500)).substr(0, 100)));
  resets.Reset();
  server.ExpectEvent("closed 1006");
}

TEST(WebSocketTest, SilenceEndsWith4408AndAnyBytesAreLife) {
  TransportOptions options = TestServer::Options();
  options.idle_timeout_ms = 150;
  options.close_timeout_ms = 100;
  TestServer server(options);
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port()));
  server.ExpectEvent("open 127.0.0.1");
  const auto start = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(400)) {
    ASSERT_TRUE(client.Write(RawClient::MaskedFrame(9, "")));
    ASSERT_EQ(client.ReadFrame().opcode, 10);
  }
  const RawFrame close = client.ReadUntil(8);
  EXPECT_EQ(close.close_code(), 4408);
  server.ExpectEvent("closed 4408");
  EXPECT_EQ(server.Total(&TransportCounters::closed_idle), 1u);
}

TEST(WebSocketTest, APausedConnectionDeliversNothingUntilItResumes) {
  TransportOptions options = TestServer::Options();
  options.idle_timeout_ms = 200;
  TestServer server(options);
  server.on_message = [](Connection& connection, std::string_view message, bool) {
    if (message == "pause") connection.PauseReading();
    connection.Send({.frame = Frame::Text(std::string(message))});
  };
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port()));
  ASSERT_TRUE(client.SendText("pause"));
  EXPECT_EQ(client.ReadFrame().payload, "pause");
  ASSERT_TRUE(client.SendText("one") && client.SendText("two"));
  // Longer than the idle timeout: silence means nothing while nobody listens.
  std::promise<void> later;
  server.transport().thread(0).RunAfter(std::chrono::milliseconds(400), [&] { later.set_value(); });
  later.get_future().wait();
  EXPECT_EQ(server.Total(&TransportCounters::messages_in), 1u);
  server.WithConnection([](Connection& connection) {
    connection.Send({.frame = Frame::Text("resumed")});
    connection.ResumeReading();
    connection.PauseReading();
    connection.ResumeReading();
  });
  EXPECT_EQ(client.ReadFrame().payload, "resumed");
  EXPECT_EQ(client.ReadFrame().payload, "one");
  EXPECT_EQ(client.ReadFrame().payload, "two");
  EXPECT_EQ(server.Total(&TransportCounters::closed_idle), 0u);
}

TEST(WebSocketTest, APauseInTheMiddleHoldsAWholeMessage) {
  TestServer server;
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port()));
  server.ExpectEvent("open 127.0.0.1");
  // A read is pending when the pause comes.
  server.WithConnection([](Connection& connection) { connection.PauseReading(); });
  ASSERT_TRUE(client.SendText("held"));
  server.WithConnection([](Connection& connection) { connection.Ping("sync"); });
  EXPECT_EQ(client.ReadFrame().opcode, 9);
  EXPECT_EQ(server.Total(&TransportCounters::messages_in), 0u);
  server.WithConnection([](Connection& connection) { connection.ResumeReading(); });
  EXPECT_EQ(client.ReadFrame().payload, "held");
  // A close resumes too, to see the answer.
  server.WithConnection([](Connection& connection) {
    connection.PauseReading();
    connection.Close(1000, "");
  });
  EXPECT_EQ(client.ReadFrame().close_code(), 1000);
  ASSERT_TRUE(client.Write(RawClient::CloseFrame(1000)));
  server.ExpectEvent("closed 1000");
}

TEST(WebSocketTest, AReaderWhoStandsStillSlowsNobodyAndIsClosed) {
  TransportOptions options = TestServer::Options();
  options.max_head_age_ms = 300;
  options.close_timeout_ms = 100;
  options.queue = {.max_bytes = 200'000, .high_water_bytes = 100'000};
  TestServer server(options);
  RawClient stuck;
  ASSERT_TRUE(stuck.ConnectWebSocket(server.port(), "/", "", /*receive_buffer=*/4096));
  server.ExpectEvent("open 127.0.0.1");
  std::vector<Connection*> connections;
  server.on_open = [&](Connection& connection) { connections.push_back(&connection); };
  server.WithConnection([&](Connection& connection) { connections.push_back(&connection); });
  std::vector<RawClient> readers(50);
  for (RawClient& reader : readers) {
    ASSERT_TRUE(reader.ConnectWebSocket(server.port()));
    server.ExpectEvent("open 127.0.0.1");
  }
  const std::string filler(20'000, 'f');
  constexpr int kRounds = 300;
  for (int round = 0; round < kRounds; ++round) {
    const FramePtr frame = Frame::Text("{" + std::to_string(round) + "}" + filler, 1);
    std::promise<void> sent;
    server.transport().thread(0).Post([&] {
      // The stuck one is closed meanwhile; its connection is not touched then.
      const size_t first = server.HasEvent("closed 4413") ? 1 : 0;
      for (size_t i = first; i < connections.size(); ++i) {
        connections[i]->Send({.frame = frame, .droppable = true, .tag = 1});
      }
      sent.set_value();
    });
    sent.get_future().wait();
    for (RawClient& reader : readers) {
      const std::string prefix = "{" + std::to_string(round) + "}";
      ASSERT_EQ(reader.ReadFrame().payload.substr(0, prefix.size()), prefix);
    }
  }
  server.ExpectEvent("closed 4413");
  EXPECT_EQ(server.Total(&TransportCounters::closed_slow), 1u);
  EXPECT_GT(server.Total(&TransportCounters::messages_dropped), 0u);
  EXPECT_GT(server.Total(&TransportCounters::writes_blocked), 0u);
}

TEST(WebSocketTest, AReaderWhoComesBackLearnsWhatItMissedAndTheServerThatItDrained) {
  TransportOptions options = TestServer::Options();
  options.queue = {.max_bytes = 100'000, .high_water_bytes = 50'000};
  TestServer server(options);
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port(), "/", "", /*receive_buffer=*/4096));
  server.ExpectEvent("open 127.0.0.1");
  constexpr int kMessages = 500;
  int last_queued = -1;
  server.WithConnection([&](Connection& connection) {
    const std::string filler(20'000, 'f');
    for (int i = 0; i < kMessages; ++i) {
      const SendResult result =
          connection.Send({.frame = Frame::Text("#" + std::to_string(i) + ";" + filler, 0),
                           .droppable = true,
                           .tag = 1});
      if (i < 2) {
        EXPECT_EQ(result, SendResult::kQueued);
      }
      if (result != SendResult::kDropped) last_queued = i;
    }
    EXPECT_EQ(last_queued, kMessages - 1);
    EXPECT_LE(connection.queued_bytes(), 100'000u + 20'100);
  });
  int expected = 0;
  int told = 0;
  while (expected < kMessages) {
    const std::string payload = client.ReadFrame().payload;
    ASSERT_FALSE(payload.empty());
    const size_t hash = payload.find('#');
    if (hash > 0) {
      ASSERT_EQ(payload.rfind("\"dropped\":", 0), 0u);
      const int dropped = std::stoi(payload.substr(10));
      told += dropped;
      expected += dropped;
    }
    ASSERT_EQ(std::stoi(payload.substr(hash + 1)), expected);
    ++expected;
  }
  EXPECT_GT(told, 0);
  EXPECT_EQ(server.Total(&TransportCounters::messages_dropped), static_cast<uint64_t>(told));
  server.ExpectEvent("drained");
}

TEST(WebSocketTest, WhatMayNotBeDroppedEndsAConnectionThatCannotTakeIt) {
  TransportOptions options = TestServer::Options();
  options.queue = {.max_bytes = 100'000, .high_water_bytes = 50'000};
  options.close_timeout_ms = 100;
  TestServer server(options);
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port(), "/", "", /*receive_buffer=*/4096));
  server.ExpectEvent("open 127.0.0.1");
  server.WithConnection([&](Connection& connection) {
    SendResult result = SendResult::kQueued;
    for (int i = 0; i < 10'000 && result != SendResult::kDropped; ++i) {
      result = connection.Send({.frame = Frame::Text(std::string(20'000, 'f'))});
    }
    EXPECT_EQ(result, SendResult::kDropped);
  });
  server.ExpectEvent("closed 4413");
}

TEST(WebSocketTest, AFloodOfPingsIsNotReadFasterThanItsPongsLeave) {
  TransportOptions options = TestServer::Options();
  options.max_head_age_ms = 200;
  options.close_timeout_ms = 100;
  TestServer server(options);
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port(), "/", "", /*receive_buffer=*/4096));
  server.ExpectEvent("open 127.0.0.1");
  std::string pings;
  for (int i = 0; i < 1000; ++i) pings += RawClient::MaskedFrame(9, std::string(125, 'p'));
  while (client.Write(pings)) {
  }
  server.ExpectEvent("closed 4413");
  EXPECT_LT(server.Total(&TransportCounters::bytes_out), 20'000'000u);
}

TEST(WebSocketTest, CompressesForThoseWhoNegotiatedIt) {
  TransportOptions options = TestServer::Options();
  options.initial_max_message_bytes = 1 << 20;
  TestServer server(options);
  RawClient client;
  ASSERT_TRUE(client.Connect(server.port()));
  ASSERT_TRUE(client.Write(RawClient::UpgradeRequest("/", kOfferDeflate)));
  const std::string head = client.ReadHead();
  EXPECT_NE(
      head.find("permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"),
      std::string::npos)
      << head;
  for (size_t size : {10, 1023, 1024, 100'000}) {
    const std::string text = Text(size);
    ASSERT_TRUE(
        client.Write(RawClient::MaskedFrame(1, DeflateForTest(Text(2000)), true, /*rsv1=*/true)));
    EXPECT_EQ(InflateMessage(client.ReadFrame().payload), Text(2000));
    ASSERT_TRUE(client.SendText(text));
    const RawFrame frame = client.ReadFrame();
    EXPECT_EQ(frame.rsv1, size >= 1024);
    EXPECT_EQ(frame.rsv1 ? InflateMessage(frame.payload) : frame.payload, text);
  }
  // Beyond the limit when inflated.
  ASSERT_TRUE(client.Write(
      RawClient::MaskedFrame(1, DeflateForTest(std::string(2 << 20, 'z')), true, true)));
  EXPECT_EQ(client.ReadFrame().close_code(), 1009);
}

TEST(WebSocketTest, BadCompressedDataIsClosedWith1007) {
  TestServer server;
  RawClient client;
  ASSERT_TRUE(client.ConnectWebSocket(server.port(), "/", kOfferDeflate));
  ASSERT_TRUE(
      client.Write(RawClient::MaskedFrame(1, "\xff\xff\xff\xff nonsense", true, /*rsv1=*/true)));
  EXPECT_EQ(client.ReadFrame().close_code(), 1007);
  server.ExpectEvent("closed 1007");
}

TEST(WebSocketTest, AClientWithASmallWindowGetsPlainFrames) {
  TestServer server;
  RawClient client;
  ASSERT_TRUE(client.Connect(server.port()));
  ASSERT_TRUE(client.Write(RawClient::UpgradeRequest(
      "/", "Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n")));
  EXPECT_NE(client.ReadHead().find("server_max_window_bits=10"), std::string::npos);
  ASSERT_TRUE(client.Write(RawClient::MaskedFrame(1, DeflateForTest(Text(5000)), true, true)));
  const RawFrame frame = client.ReadFrame();
  EXPECT_FALSE(frame.rsv1);
  EXPECT_EQ(frame.payload, Text(5000));
}

TEST(WebSocketTest, CompressionCanBeTurnedOff) {
  TransportOptions options = TestServer::Options();
  options.compression = false;
  TestServer server(options);
  RawClient client;
  ASSERT_TRUE(client.Connect(server.port()));
  ASSERT_TRUE(client.Write(RawClient::UpgradeRequest("/", kOfferDeflate)));
  const std::string head = client.ReadHead();
  EXPECT_EQ(head.rfind("HTTP/1.1 101", 0), 0u);
  EXPECT_EQ(head.find("permessage-deflate"), std::string::npos);
}

}  // namespace
}  // namespace covet::edge
