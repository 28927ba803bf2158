#include "protocol/message.h"

namespace pgweir {

Bytes frontend_name(char type) {
  switch (type) {
    case frontend_type::bind:
      return "Bind";
    case frontend_type::close:
      return "Close";
    case frontend_type::copy_data:
      return "CopyData";
    case frontend_type::copy_done:
      return "CopyDone";
    case frontend_type::copy_fail:
      return "CopyFail";
    case frontend_type::describe:
      return "Describe";
    case frontend_type::execute:
      return "Execute";
    case frontend_type::flush:
      return "Flush";
    case frontend_type::function_call:
      return "FunctionCall";
    case frontend_type::parse:
      return "Parse";
    case frontend_type::password:
      return "PasswordMessage";
    case frontend_type::query:
      return "Query";
    case frontend_type::sync:
      return "Sync";
    case frontend_type::terminate:
      return "Terminate";
    default:
      return "Unknown";
  }
}

Bytes backend_name(char type) {
  switch (type) {
    case backend_type::authentication:
      return "Authentication";
    case backend_type::backend_key_data:
      return "BackendKeyData";
    case backend_type::bind_complete:
      return "BindComplete";
    case backend_type::close_complete:
      return "CloseComplete";
    case backend_type::command_complete:
      return "CommandComplete";
    case backend_type::copy_both_response:
      return "CopyBothResponse";
    case backend_type::copy_data:
      return "CopyData";
    case backend_type::copy_done:
      return "CopyDone";
    case backend_type::copy_in_response:
      return "CopyInResponse";
    case backend_type::copy_out_response:
      return "CopyOutResponse";
    case backend_type::data_row:
      return "DataRow";
    case backend_type::empty_query_response:
      return "EmptyQueryResponse";
    case backend_type::error_response:
      return "ErrorResponse";
    case backend_type::function_call_response:
      return "FunctionCallResponse";
    case backend_type::negotiate_protocol_version:
      return "NegotiateProtocolVersion";
    case backend_type::no_data:
      return "NoData";
    case backend_type::notice_response:
      return "NoticeResponse";
    case backend_type::notification_response:
      return "NotificationResponse";
    case backend_type::parameter_description:
      return "ParameterDescription";
    case backend_type::parameter_status:
      return "ParameterStatus";
    case backend_type::parse_complete:
      return "ParseComplete";
    case backend_type::portal_suspended:
      return "PortalSuspended";
    case backend_type::ready_for_query:
      return "ReadyForQuery";
    case backend_type::row_description:
      return "RowDescription";
    default:
      return "Unknown";
  }
}

std::optional<std::uint32_t> frontend_body_limit(char type) {
  switch (type) {
    case frontend_type::query:
    case frontend_type::parse:
    case frontend_type::bind:
    case frontend_type::function_call:
    case frontend_type::copy_data:
      return large_message_limit - 4;
    case frontend_type::close:
    case frontend_type::describe:
    case frontend_type::execute:
    case frontend_type::flush:
    case frontend_type::sync:
    case frontend_type::terminate:
    case frontend_type::copy_done:
    case frontend_type::copy_fail:
      return small_message_limit - 4;
    case frontend_type::password:
      return password_message_limit - 4;
    default:
      return std::nullopt;
  }
}

std::optional<std::uint32_t> backend_body_limit(char type) {
  switch (type) {
    case backend_type::data_row:
    case backend_type::copy_data:
    case backend_type::row_description:
    case backend_type::function_call_response:
    case backend_type::error_response:
    case backend_type::notice_response:
    case backend_type::notification_response:
    // libpq counts this one among the short ones, yet 65535 parameters take more.
    case backend_type::parameter_description:
      // Servers write bodies up to MaxAllocSize - 1, and count the length on top.
      return large_message_limit;
    default:
      if (backend_name(type) == "Unknown") return std::nullopt;
      return short_reply_limit - 4;
  }
}

}  // namespace pgweir
