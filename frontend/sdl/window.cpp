#include "frontend/sdl/window.h"

#include <cstdlib>
#include <ctime>
#include <vector>

#include <SDL.h>

#include "cpu/base/log.h"
#include "frontend/file.h"
#include "frontend/key_script.h"
#include "frontend/picture_file.h"
#include "frontend/sdl/layout.h"
#include "frontend/sdl/scan_codes.h"
#include "frontend/sdl/screen.h"

namespace doppel::frontend::sdl {
namespace {

i64 host_ns() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<i64>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

/// SDL's video while it is used.
class Video {
 public:
  Video() {
    // Signals are doppel's, and a machine that is watched may do without its screen saver.
    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    SDL_SetHint(SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0");
    SDL_SetHint(SDL_HINT_APP_NAME, "doppel");
    on_ = SDL_InitSubSystem(SDL_INIT_VIDEO) == 0;
  }
  ~Video() {
    if (on_) SDL_QuitSubSystem(SDL_INIT_VIDEO);
  }
  Video(const Video&) = delete;
  Video& operator=(const Video&) = delete;
  bool on() const { return on_; }

 private:
  bool on_ = false;
};

/// Bit of a button in a mouse event.
unsigned button_bit(u8 button) {
  switch (button) {
    case SDL_BUTTON_LEFT:
      return 0x01;
    case SDL_BUTTON_RIGHT:
      return 0x02;
    case SDL_BUTTON_MIDDLE:
      return 0x04;
    case SDL_BUTTON_X1:
      return 0x08;
    case SDL_BUTTON_X2:
      return 0x10;
    default:
      return 0;
  }
}

class Window final : public HostFront {
 public:
  Window(const WindowConfig& config, std::unique_ptr<Video> video, std::unique_ptr<Screen> screen,
         InputQueue& queue)
      : config_(config), video_(std::move(video)), screen_(std::move(screen)), queue_(queue) {
    // Keys are keys here; nobody composes text.
    SDL_StopTextInput();
    if (config_.full_screen) screen_->toggle_full_screen();
  }

  bool poll(const Status& status) override {
    virtual_ns_ = status.virtual_ns;
    active_ = false;
    SDL_Event event;
    while (SDL_PollEvent(&event) != 0) take(event);
    send_motion();
    const bool measured = meter_.update(status.instructions, status.disk_accesses, host_ns());
    if (measured || status.paused != paused_ || titled_grab_ != grabbed_) {
      paused_ = status.paused;
      titled_grab_ = grabbed_;
      set_title();
    }
    return active_;
  }
  void refresh(const Status&) override { screen_->refresh(); }
  bool quit_requested() const override { return quit_; }

 private:
  void take(const SDL_Event& event);
  void take_window_event(const SDL_WindowEvent& event);
  void take_key(const SDL_KeyboardEvent& event);
  bool is_own_key(const SDL_KeyboardEvent& event) const;
  bool take_own_key(SDL_Scancode code);
  void take_button(const SDL_MouseButtonEvent& event);
  void send_motion();
  void send_keys(const std::vector<u8>& bytes);
  void release_keys();
  void set_grab(bool on);
  void set_title();
  void paste();
  void write_screenshot();

  WindowConfig config_;
  std::unique_ptr<Video> video_;
  std::unique_ptr<Screen> screen_;
  InputQueue& queue_;
  KeyEncoder keyboard_;
  SpeedMeter meter_;
  u64 virtual_ns_ = 0;
  // Of the mouse, not sent yet: a host's mouse tells a thousand moves a second.
  int dx_ = 0;
  int dy_ = 0;
  int wheel_ = 0;
  unsigned buttons_ = 0;
  bool grabbed_ = false;
  bool titled_grab_ = false;
  bool paused_ = false;
  bool active_ = false;
  bool quit_ = false;
};

void Window::take(const SDL_Event& event) {
  switch (event.type) {
    case SDL_QUIT:
      quit_ = true;
      break;
    case SDL_WINDOWEVENT:
      take_window_event(event.window);
      break;
    case SDL_RENDER_TARGETS_RESET:
    case SDL_RENDER_DEVICE_RESET:
      screen_->reload();
      break;
    case SDL_KEYDOWN:
    case SDL_KEYUP:
      take_key(event.key);
      break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP:
      take_button(event.button);
      break;
    case SDL_MOUSEMOTION:
      if (!grabbed_) break;
      dx_ += event.motion.xrel;
      dy_ += event.motion.yrel;
      break;
    case SDL_MOUSEWHEEL:
      if (!grabbed_) break;
      wheel_ += event.wheel.direction == SDL_MOUSEWHEEL_FLIPPED ? -event.wheel.y : event.wheel.y;
      break;
    default:
      break;
  }
}

void Window::take_window_event(const SDL_WindowEvent& event) {
  switch (event.event) {
    case SDL_WINDOWEVENT_CLOSE:
      quit_ = true;
      break;
    case SDL_WINDOWEVENT_FOCUS_LOST:
      // Their releases go to another window.
      release_keys();
      set_grab(false);
      break;
    case SDL_WINDOWEVENT_RESIZED:
      screen_->resized_by_hand();
      screen_->expose();
      break;
    case SDL_WINDOWEVENT_SHOWN:
    case SDL_WINDOWEVENT_EXPOSED:
    case SDL_WINDOWEVENT_RESTORED:
    case SDL_WINDOWEVENT_SIZE_CHANGED:
      screen_->expose();
      break;
    default:
      break;
  }
}

// --- Keys ---

void Window::take_key(const SDL_KeyboardEvent& event) {
  const SDL_Scancode code = event.keysym.scancode;
  if (event.type == SDL_KEYDOWN && is_own_key(event)) {
    if (event.repeat != 0 || take_own_key(code)) return;
  }
  const auto key = key_at(code);
  if (!key) return;
  std::vector<u8> bytes;
  if (event.type == SDL_KEYUP) {
    keyboard_.release(*key, bytes);
  } else if (event.repeat == 0) {  // The guest's keyboard repeats by itself.
    keyboard_.press(*key, bytes);
  }
  send_keys(bytes);
}

bool Window::is_own_key(const SDL_KeyboardEvent& event) const {
  unsigned wanted = KMOD_LCTRL | KMOD_LALT;
  if (config_.keys == FrontKeys::ShiftCtrlAlt) wanted |= KMOD_LSHIFT;
  if (config_.keys == FrontKeys::RightCtrl) wanted = KMOD_RCTRL;
  return (event.keysym.mod & wanted) == wanted;
}

/// False: the window has no use for this key.
bool Window::take_own_key(SDL_Scancode code) {
  switch (code) {
    case SDL_SCANCODE_G:
      release_keys();
      set_grab(!grabbed_);
      return true;
    case SDL_SCANCODE_F:
      release_keys();
      screen_->toggle_full_screen();
      return true;
    case SDL_SCANCODE_EQUALS:
    case SDL_SCANCODE_KP_PLUS:
      release_keys();
      screen_->scale_by(1);
      return true;
    case SDL_SCANCODE_MINUS:
    case SDL_SCANCODE_KP_MINUS:
      release_keys();
      screen_->scale_by(-1);
      return true;
    case SDL_SCANCODE_U:
      release_keys();
      screen_->scale_to_one();
      return true;
    case SDL_SCANCODE_V:
      release_keys();
      paste();
      return true;
    case SDL_SCANCODE_S:
      release_keys();
      write_screenshot();
      return true;
    case SDL_SCANCODE_1:
      release_keys();
      return true;
    case SDL_SCANCODE_2:
    case SDL_SCANCODE_3:
      release_keys();
      log::info("doppel",
                "the window shows the screen alone; monitor and serial line are on the "
                "terminal");
      return true;
    default:
      return false;
  }
}

void Window::send_keys(const std::vector<u8>& bytes) {
  if (bytes.empty()) return;
  queue_.push(InputQueue::Target::Keyboard, bytes);
  active_ = true;
}

void Window::release_keys() {
  std::vector<u8> bytes;
  keyboard_.release_all(bytes);
  send_keys(bytes);
}

void Window::paste() {
  char* const text = SDL_GetClipboardText();
  if (text == nullptr) return;
  std::string missing;
  const std::vector<Chord> chords = chords_for(text, missing);
  SDL_free(text);
  if (!missing.empty()) log::info("doppel", "a US keyboard has no keys for: %s", missing.c_str());
  play_chords(queue_, virtual_ns_, chords, kTypeHoldNs);
  active_ = true;
}

// --- Mouse ---

void Window::take_button(const SDL_MouseButtonEvent& event) {
  if (!grabbed_) {
    if (event.type == SDL_MOUSEBUTTONDOWN) set_grab(true);
    return;
  }
  // What was moved before belongs to the buttons before.
  send_motion();
  const unsigned bit = button_bit(event.button);
  const unsigned held = event.type == SDL_MOUSEBUTTONDOWN ? buttons_ | bit : buttons_ & ~bit;
  if (held == buttons_) return;
  buttons_ = held;
  queue_.push_mouse(0, 0, 0, buttons_);
  active_ = true;
}

void Window::send_motion() {
  if (dx_ == 0 && dy_ == 0 && wheel_ == 0) return;
  queue_.push_mouse(dx_, dy_, wheel_, buttons_);
  dx_ = dy_ = wheel_ = 0;
  active_ = true;
}

void Window::set_grab(bool on) {
  if (on == grabbed_) return;
  grabbed_ = on;
  // A host that cannot hold the mouse in place still tells how it moves.
  SDL_SetRelativeMouseMode(on ? SDL_TRUE : SDL_FALSE);
  SDL_SetWindowMouseGrab(screen_->window(), on ? SDL_TRUE : SDL_FALSE);
  SDL_SetWindowKeyboardGrab(screen_->window(), on ? SDL_TRUE : SDL_FALSE);
  if (on) return;
  send_motion();
  if (buttons_ == 0) return;
  buttons_ = 0;
  queue_.push_mouse(0, 0, 0, 0);
  active_ = true;
}

// --- Around the picture ---

void Window::set_title() {
  std::string text = title(config_.name, paused_, meter_.mips(), meter_.disk());
  if (grabbed_) {
    constexpr const char* kHow[] = {"Ctrl-Alt-G", "Shift-Ctrl-Alt-G", "Right Ctrl-G"};
    text += std::string(" - ") + kHow[static_cast<unsigned>(config_.keys)] + " frees the mouse";
  }
  screen_->set_title(text);
}

void Window::write_screenshot() {
  constexpr unsigned kMostFiles = 10'000;
  for (unsigned i = 1; i <= kMostFiles; ++i) {
    const std::string path = "doppel-" + std::to_string(i) + ".png";
    if (file_exists(path)) continue;
    const auto written = write_picture(path, screen_->picture());
    if (written.ok()) {
      log::info("doppel", "the screen is in %s", path.c_str());
    } else {
      log::warn("output", "%s", written.error().message.c_str());
    }
    return;
  }
}

}  // namespace

Result<std::unique_ptr<HostFront>, Error> open_window(const WindowConfig& config,
                                                      devices::DisplaySource& display,
                                                      InputQueue& queue) {
  auto video = std::make_unique<Video>();
  if (!video->on()) return Error{std::string("cannot open a window: ") + SDL_GetError()};
  DOPPEL_TRY(std::unique_ptr<Screen> screen,
             Screen::open(title(config.name, false, 0, false), display));
  return std::unique_ptr<HostFront>(
      std::make_unique<Window>(config, std::move(video), std::move(screen), queue));
}

}  // namespace doppel::frontend::sdl
