#include "proxy/net/hook.h"

#include <csignal>
#include <cstdint>
#include <vector>

#include "admin/words.h"

namespace pgweir {
namespace {

struct InputWrite {
  uv_write_t request{};
  std::string text;
};

std::uint64_t millis(Duration span) {
  return static_cast<std::uint64_t>(std::chrono::ceil<std::chrono::milliseconds>(span).count());
}

}  // namespace

Hook::Hook(uv_loop_t* loop, Log& log, std::function<void()> ended)
    : loop_(loop), log_(log), ended_(std::move(ended)) {
  timer_ = make_handle<uv_timer_t>(this, [&](uv_timer_t* h) { return uv_timer_init(loop_, h); });
}

Hook::~Hook() { kill_all(); }

void Hook::run(HookRun run) {
  time_limit_ = run.time_limit;
  killed_ = false;
  if (const int failed = spawn(run); failed < 0) {
    log_.write(LogLevel::error,
               "alerts.command: cannot run " + run.command.front() + ": " + error_text(failed));
    process_.reset();
    input_.reset();
    // Told later, from the loop, as any other end.
    uv_timer_start(
        timer_.get(), [](uv_timer_t* h) { static_cast<Hook*>(h->data)->settle(); }, 0, 0);
    return;
  }
  running_ = true;
  uv_timer_start(
      timer_.get(), [](uv_timer_t* h) { static_cast<Hook*>(h->data)->on_time_limit(); }, millis(time_limit_),
      0);
}

int Hook::spawn(HookRun& run) {
  auto pipe = std::make_unique<uv_pipe_t>();
  if (const int failed = uv_pipe_init(loop_, pipe.get(), 0); failed < 0) return failed;
  input_.reset(pipe.release());

  std::vector<char*> arguments;
  for (std::string& argument : run.command) arguments.push_back(argument.data());
  arguments.push_back(nullptr);
  uv_stdio_container_t files[3]{};
  files[0].flags = static_cast<uv_stdio_flags>(UV_CREATE_PIPE | UV_READABLE_PIPE);
  files[0].data.stream = reinterpret_cast<uv_stream_t*>(input_.get());
  files[1].flags = files[2].flags = UV_IGNORE;  // /dev/null
  uv_process_options_t options{};
  options.file = arguments.front();
  options.args = arguments.data();
  options.stdio = files;
  options.stdio_count = 3;
  options.flags = UV_PROCESS_DETACHED;  // setsid
  options.exit_cb = [](uv_process_t* process, std::int64_t status, int signal) {
    static_cast<Hook*>(process->data)->on_exit(status, signal);
  };
  process_.reset(new uv_process_t{});  // to be closed also when uv_spawn fails
  const int failed = uv_spawn(loop_, process_.get(), &options);
  process_->data = this;
  if (failed < 0) return failed;

  auto* const write = new InputWrite{.text = std::move(run.input)};
  write->request.data = write;
  const uv_buf_t buffer = uv_buf_init(write->text.data(), static_cast<unsigned>(write->text.size()));
  // A program that does not read fails the write or leaves it undone until it ends; neither matters.
  const int refused = uv_write(
      &write->request, reinterpret_cast<uv_stream_t*>(input_.get()), &buffer, 1,
      [](uv_write_t* request, int) {
        uv_stream_t* const stream = request->handle;
        delete static_cast<InputWrite*>(request->data);
        // The end of the input; the owner closes when the program ends.
        auto* const shut = new uv_shutdown_t{};
        const auto done = [](uv_shutdown_t* it, int) { delete it; };
        if (uv_is_closing(reinterpret_cast<uv_handle_t*>(stream)) || uv_shutdown(shut, stream, done) < 0)
          delete shut;
      });
  if (refused < 0) delete write;
  return 0;
}

void Hook::on_exit(std::int64_t status, int signal) {
  running_ = false;
  if (killed_) {
    log_.write(LogLevel::warning,
               "alerts.command was killed after " + duration_text(time_limit_) + " (alerts.command_timeout)");
  } else if (signal != 0) {
    log_.write(LogLevel::warning, "alerts.command ended by signal " + std::to_string(signal));
  } else if (status != 0) {
    log_.write(LogLevel::warning, "alerts.command ended with status " + std::to_string(status));
  }
  settle();
}

void Hook::on_time_limit() {
  killed_ = true;
  kill_all();
}

void Hook::kill_all() {
  if (running_) ::kill(-uv_process_get_pid(process_.get()), SIGKILL);
}

void Hook::settle() {
  uv_timer_stop(timer_.get());
  process_.reset();
  input_.reset();
  ended_();
}

}  // namespace pgweir
