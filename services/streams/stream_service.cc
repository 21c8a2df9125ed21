#include "services/streams/stream_service.h"

#include <algorithm>
#include <utility>

#include "common/payload/struct_json.h"
#include "common/server/client_stream.h"
#include "common/server/core_reply.h"
#include "common/server/server_stream.h"
#include "services/streams/domain/errors.h"
#include "services/streams/domain/filter.h"
#include "services/streams/publish_records.h"
#include "services/streams/publish_stream.h"
#include "services/streams/stream_watch.h"

namespace covet::streams {
namespace {

using server::CallInfo;
using server::UnaryDone;

constexpr int32_t kDefaultPage = 100;
constexpr int32_t kMaxPage = 1'000;
constexpr int64_t kMaxPageBytes = 2 << 20;  // Of JSON text, but one record at least.

void FillHistory(const v1::GetHistoryRequest& asked, CompiledFilter& filter, const StreamPage& page,
                 int64_t now_ms, v1::GetHistoryResponse* out) {
  const int32_t size =
      asked.page_size() <= 0 ? kDefaultPage : std::min(asked.page_size(), kMaxPage);
  out->set_epoch(page.epoch);
  out->set_first_offset(page.first_offset);
  out->set_head_offset(page.head);
  out->set_last_offset(page.last_offset);
  int64_t bytes = 0;
  for (const RecordBlock& block : page.blocks) {
    block.ForEachAfter(page.after, [&](int64_t offset, const StoredRecord& record) {
      if (out->records_size() == size || bytes >= kMaxPageBytes) {
        // The page ends before this one.
        if (out->last_offset() >= offset) out->set_last_offset(offset - 1);
        return false;
      }
      if (!IsAlive(record, now_ms) || !filter.Passes(record.json)) return true;
      v1::Record& added = *out->add_records();
      added.set_offset(offset);
      SetTtl(record, now_ms, &added);
      bytes += static_cast<int64_t>(record.json.size());
      payload::JsonToPayload(record.json, asked.payload_format(), added.mutable_payload());
      return true;
    });
  }
}

}  // namespace

void SetTtl(const StoredRecord& record, int64_t now_ms, v1::Record* out) {
  if (record.expires_ms == 0) return;
  const int64_t left_ms = std::max<int64_t>(0, record.expires_ms - now_ms);
  out->mutable_ttl()->set_seconds(left_ms / 1000);
  out->mutable_ttl()->set_nanos(static_cast<int32_t>(left_ms % 1000) * 1'000'000);
}

StreamCaller CallerOf(const CallInfo& call) {
  return {server::IdentityOf(call), call.caller.peer && call.caller.identity.user_id().empty()};
}

#define COVET_METHOD(name) "/covet.streams.v1.StreamService/" name

grpc::ServerUnaryReactor* StreamService::Publish(grpc::CallbackServerContext* context,
                                                 const v1::PublishRequest* request,
                                                 v1::PublishResponse* response) {
  return server::HandleUnary(
      tools_.calls, context, COVET_METHOD("Publish"), request, response,
      [&](const CallInfo& call, const v1::PublishRequest& asked, v1::PublishResponse* out,
          UnaryDone done) {
        auto records = ToRecords(asked, call.caller.identity.user_id(), tools_.clock.WallMillis());
        if (!records.ok()) return done(records.status());
        tools_.executor.Post([this, caller = CallerOf(call), &asked, records = *records, out,
                              done] {
          tools_.core.Publish(
              caller, asked.stream_type(), asked.resource_id(), std::move(*records),
              [out, done](absl::StatusOr<std::pair<std::string, Appended>> published) {
                if (!published.ok()) return done(published.status());
                auto& [epoch, appended] = *published;
                out->set_epoch(std::move(epoch));
                out->set_duplicates(static_cast<int32_t>(appended.duplicates));
                out->mutable_offsets()->Assign(appended.offsets.begin(), appended.offsets.end());
                if (appended.offsets.empty()) {
                  out->mutable_offsets()->Reserve(static_cast<int>(appended.appended));
                  for (int64_t i = 0; i < appended.appended; ++i) {
                    out->add_offsets(appended.first_offset + i);
                  }
                }
                done(absl::OkStatus());
              });
        });
      });
}

grpc::ServerReadReactor<v1::PublishRequest>* StreamService::PublishStream(
    grpc::CallbackServerContext* context, v1::PublishStreamResponse* response) {
  return server::HandleClientStream<v1::PublishRequest>(
      tools_.calls, context, COVET_METHOD("PublishStream"), response,
      [this](std::shared_ptr<PublishStreamCall::Stream> stream) {
        PublishStreamCall::Start(tools_, std::move(stream));
      });
}

grpc::ServerWriteReactor<v1::SubscribeResponse>* StreamService::Subscribe(
    grpc::CallbackServerContext* context, const v1::SubscribeRequest* request) {
  return server::HandleServerStream<v1::SubscribeResponse>(
      tools_.calls, context, COVET_METHOD("Subscribe"), request,
      [this](const v1::SubscribeRequest& asked,
             const std::shared_ptr<server::ServerStream<v1::SubscribeResponse>>& stream) {
        StreamWatch::Start(tools_, asked, stream);
      });
}

grpc::ServerUnaryReactor* StreamService::ListResources(grpc::CallbackServerContext* context,
                                                       const v1::ListResourcesRequest* request,
                                                       v1::ListResourcesResponse* response) {
  return server::HandleUnary(
      tools_.calls, context, COVET_METHOD("ListResources"), request, response,
      [&](const CallInfo& call, const v1::ListResourcesRequest& asked,
          v1::ListResourcesResponse* out, UnaryDone done) {
        tools_.executor.Post([this, caller = CallerOf(call), &asked, out, done] {
          tools_.core.ListResources(caller, asked, server::Into(out, done));
        });
      });
}

grpc::ServerUnaryReactor* StreamService::GetHistory(grpc::CallbackServerContext* context,
                                                    const v1::GetHistoryRequest* request,
                                                    v1::GetHistoryResponse* response) {
  return server::HandleUnary(
      tools_.calls, context, COVET_METHOD("GetHistory"), request, response,
      [&](const CallInfo& call, const v1::GetHistoryRequest& asked, v1::GetHistoryResponse* out,
          UnaryDone done) {
        absl::StatusOr<CompiledFilter> compiled = CompiledFilter::Compile(asked.filter());
        if (!compiled.ok()) return done(compiled.status());
        auto filter = std::make_shared<CompiledFilter>(*std::move(compiled));
        tools_.executor.Post([this, caller = CallerOf(call), &asked, filter, out, done] {
          tools_.core.GetHistory(
              caller, asked, [this, &asked, filter, out, done](absl::StatusOr<StreamPage> page) {
                if (!page.ok()) return done(page.status());
                tools_.delivery.Post([this, &asked, filter, out, done, page = *std::move(page)] {
                  FillHistory(asked, *filter, page, tools_.clock.WallMillis(), out);
                  done(absl::OkStatus());
                });
              });
        });
      });
}

}  // namespace covet::streams
