#include <benchmark/benchmark.h>

#include <string>

#include "common/payload/json_scanner.h"
#include "edge/codec/envelope.h"
#include "edge/codec/messages.h"

namespace covet::edge {
namespace {

// A JSON object of about `bytes`: names, texts, numbers and nesting as records have them.
std::string TypicalJson(size_t bytes) {
  std::string json = "{\"records\":[";
  for (int i = 0; json.size() + 150 < bytes; ++i) {
    if (i > 0) json += ',';
    json +=
        R"({"timestamp":"2025-09-10T12:00:00.000Z","host":"db-)" + std::to_string(i) +
        R"(.example.com","cpu_usage":45.2,"active":true,"note":"a line of text as people write it"})";
  }
  return json + "]}";
}

std::string TextPayload(size_t bytes) {
  return "{\"text\":\"" + std::string(bytes - 11, 'x') + "\"}";
}

void BM_ScanJson(benchmark::State& state) {
  const std::string json = TypicalJson(static_cast<size_t>(state.range(0)));
  for (auto _ : state) {
    if (!payload::ScanJson(json).ok()) state.SkipWithError("invalid");
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * json.size()));
}
BENCHMARK(BM_ScanJson)->Arg(1 << 10)->Arg(1 << 16);

void BM_DecodeRoomMessage(benchmark::State& state) {
  const auto size = static_cast<size_t>(state.range(0));
  const std::string payload = state.range(1) == 0 ? TextPayload(size) : TypicalJson(size);
  const std::string frame =
      R"({"type":"room_message","id":"msg_12345","data":{"room_id":"project_123","event_type":"data_update",)"
      R"("idempotency_key":"4fJx90aQ2k3s5v7x9z1c","payload":)" +
      payload + "}}";
  Decoder decoder;
  ClientMessage message;
  DecodeError error;
  for (auto _ : state) {
    if (!decoder.Decode(frame, &message, &error)) state.SkipWithError("refused");
    benchmark::DoNotOptimize(message);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * frame.size()));
}
BENCHMARK(BM_DecodeRoomMessage)
    ->ArgNames({"payload_bytes", "structured"})
    ->Args({200, 0})
    ->Args({200, 1})
    ->Args({65'536, 1});

void BM_EncodeRoomEvent(benchmark::State& state) {
  const std::string payload = TextPayload(200);
  const RoomEvent event{.room_id = "project_123",
                        .epoch = "4fJx90aQ2k3s5v7x9z1c3v",
                        .offset = 123456,
                        .event_type = "data_update",
                        .user_id = "user_123",
                        .session_id = "sess_4fJx90aQ2k3s5v7x9z1c3v",
                        .payload = payload,
                        .time_ms = 1757505600000,
                        .correlation_id = "msg_12345"};
  for (auto _ : state) benchmark::DoNotOptimize(EncodeRoomEvent(event));
}
BENCHMARK(BM_EncodeRoomEvent);

}  // namespace
}  // namespace covet::edge
