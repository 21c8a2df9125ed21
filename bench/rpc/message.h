#pragma once

#include <string>

#include "echo.pb.h"

namespace covet::bench {

// What is sent, but for its id.
inline ::bench::v1::EchoMessage SampleMessage() {
  ::bench::v1::EchoMessage message;
  message.set_customer("customer_4711");
  message.set_note("Leave it at the back door, please; the dog is harmless.");
  message.set_amount(129'900);
  message.set_weight(12.75);
  message.set_express(true);
  for (const char* tag : {"fragile", "gift"}) message.add_tags(tag);
  for (const int quantity : {1, 2, 40}) message.add_quantities(quantity);
  message.mutable_address()->set_street("Hauptstrasse 12");
  message.mutable_address()->set_city("Bern");
  message.set_status(::bench::v1::EchoMessage::STATUS_SENT);
  return message;
}

// The same as JSON, from after the id's value on.
inline std::string SampleJsonTail() {
  return R"(,"customer":"customer_4711","note":"Leave it at the back door, please; the dog is harmless.",)"
         R"("amount":"129900","weight":12.75,"express":true,"tags":["fragile","gift"],)"
         R"("quantities":[1,2,40],"address":{"street":"Hauptstrasse 12","city":"Bern"},)"
         R"("status":"STATUS_SENT"})";
}

}  // namespace covet::bench
