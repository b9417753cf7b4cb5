#include "frontend/sdl/scan_codes.h"

namespace doppel::frontend::sdl {
namespace {

struct Place {
  SDL_Scancode code;
  Key key;
};

// clang-format off
constexpr Place kPlaces[] = {
    {SDL_SCANCODE_ESCAPE, Key::Esc},
    {SDL_SCANCODE_F1, Key::F1},   {SDL_SCANCODE_F2, Key::F2},   {SDL_SCANCODE_F3, Key::F3},
    {SDL_SCANCODE_F4, Key::F4},   {SDL_SCANCODE_F5, Key::F5},   {SDL_SCANCODE_F6, Key::F6},
    {SDL_SCANCODE_F7, Key::F7},   {SDL_SCANCODE_F8, Key::F8},   {SDL_SCANCODE_F9, Key::F9},
    {SDL_SCANCODE_F10, Key::F10}, {SDL_SCANCODE_F11, Key::F11}, {SDL_SCANCODE_F12, Key::F12},
    {SDL_SCANCODE_PRINTSCREEN, Key::Print}, {SDL_SCANCODE_SYSREQ, Key::SysRq},
    {SDL_SCANCODE_SCROLLLOCK, Key::ScrollLock}, {SDL_SCANCODE_PAUSE, Key::Pause},

    {SDL_SCANCODE_GRAVE, Key::GraveAccent},
    {SDL_SCANCODE_1, Key::Digit1}, {SDL_SCANCODE_2, Key::Digit2}, {SDL_SCANCODE_3, Key::Digit3},
    {SDL_SCANCODE_4, Key::Digit4}, {SDL_SCANCODE_5, Key::Digit5}, {SDL_SCANCODE_6, Key::Digit6},
    {SDL_SCANCODE_7, Key::Digit7}, {SDL_SCANCODE_8, Key::Digit8}, {SDL_SCANCODE_9, Key::Digit9},
    {SDL_SCANCODE_0, Key::Digit0}, {SDL_SCANCODE_MINUS, Key::Minus},
    {SDL_SCANCODE_EQUALS, Key::Equal}, {SDL_SCANCODE_BACKSPACE, Key::Backspace},

    {SDL_SCANCODE_TAB, Key::Tab},
    {SDL_SCANCODE_Q, Key::Q}, {SDL_SCANCODE_W, Key::W}, {SDL_SCANCODE_E, Key::E},
    {SDL_SCANCODE_R, Key::R}, {SDL_SCANCODE_T, Key::T}, {SDL_SCANCODE_Y, Key::Y},
    {SDL_SCANCODE_U, Key::U}, {SDL_SCANCODE_I, Key::I}, {SDL_SCANCODE_O, Key::O},
    {SDL_SCANCODE_P, Key::P}, {SDL_SCANCODE_LEFTBRACKET, Key::BracketLeft},
    {SDL_SCANCODE_RIGHTBRACKET, Key::BracketRight}, {SDL_SCANCODE_BACKSLASH, Key::Backslash},
    {SDL_SCANCODE_NONUSHASH, Key::Backslash},

    {SDL_SCANCODE_CAPSLOCK, Key::CapsLock},
    {SDL_SCANCODE_A, Key::A}, {SDL_SCANCODE_S, Key::S}, {SDL_SCANCODE_D, Key::D},
    {SDL_SCANCODE_F, Key::F}, {SDL_SCANCODE_G, Key::G}, {SDL_SCANCODE_H, Key::H},
    {SDL_SCANCODE_J, Key::J}, {SDL_SCANCODE_K, Key::K}, {SDL_SCANCODE_L, Key::L},
    {SDL_SCANCODE_SEMICOLON, Key::Semicolon}, {SDL_SCANCODE_APOSTROPHE, Key::Apostrophe},
    {SDL_SCANCODE_RETURN, Key::Return},

    {SDL_SCANCODE_LSHIFT, Key::Shift}, {SDL_SCANCODE_NONUSBACKSLASH, Key::Less},
    {SDL_SCANCODE_Z, Key::Z}, {SDL_SCANCODE_X, Key::X}, {SDL_SCANCODE_C, Key::C},
    {SDL_SCANCODE_V, Key::V}, {SDL_SCANCODE_B, Key::B}, {SDL_SCANCODE_N, Key::N},
    {SDL_SCANCODE_M, Key::M}, {SDL_SCANCODE_COMMA, Key::Comma}, {SDL_SCANCODE_PERIOD, Key::Dot},
    {SDL_SCANCODE_SLASH, Key::Slash}, {SDL_SCANCODE_RSHIFT, Key::ShiftRight},

    {SDL_SCANCODE_LCTRL, Key::Ctrl}, {SDL_SCANCODE_LGUI, Key::MetaLeft},
    {SDL_SCANCODE_LALT, Key::Alt}, {SDL_SCANCODE_SPACE, Key::Space},
    {SDL_SCANCODE_RALT, Key::AltRight}, {SDL_SCANCODE_RGUI, Key::MetaRight},
    {SDL_SCANCODE_APPLICATION, Key::Menu}, {SDL_SCANCODE_MENU, Key::Menu},
    {SDL_SCANCODE_RCTRL, Key::CtrlRight},

    {SDL_SCANCODE_INSERT, Key::Insert}, {SDL_SCANCODE_HOME, Key::Home},
    {SDL_SCANCODE_PAGEUP, Key::PageUp}, {SDL_SCANCODE_DELETE, Key::Delete},
    {SDL_SCANCODE_END, Key::End}, {SDL_SCANCODE_PAGEDOWN, Key::PageDown},
    {SDL_SCANCODE_UP, Key::Up}, {SDL_SCANCODE_LEFT, Key::Left},
    {SDL_SCANCODE_DOWN, Key::Down}, {SDL_SCANCODE_RIGHT, Key::Right},

    {SDL_SCANCODE_NUMLOCKCLEAR, Key::NumLock}, {SDL_SCANCODE_KP_DIVIDE, Key::KpDivide},
    {SDL_SCANCODE_KP_MULTIPLY, Key::KpMultiply}, {SDL_SCANCODE_KP_MINUS, Key::KpSubtract},
    {SDL_SCANCODE_KP_PLUS, Key::KpAdd}, {SDL_SCANCODE_KP_ENTER, Key::KpEnter},
    {SDL_SCANCODE_KP_PERIOD, Key::KpDecimal}, {SDL_SCANCODE_KP_COMMA, Key::KpComma},
    {SDL_SCANCODE_KP_EQUALS, Key::KpEquals},
    {SDL_SCANCODE_KP_0, Key::Kp0}, {SDL_SCANCODE_KP_1, Key::Kp1}, {SDL_SCANCODE_KP_2, Key::Kp2},
    {SDL_SCANCODE_KP_3, Key::Kp3}, {SDL_SCANCODE_KP_4, Key::Kp4}, {SDL_SCANCODE_KP_5, Key::Kp5},
    {SDL_SCANCODE_KP_6, Key::Kp6}, {SDL_SCANCODE_KP_7, Key::Kp7}, {SDL_SCANCODE_KP_8, Key::Kp8},
    {SDL_SCANCODE_KP_9, Key::Kp9},

    {SDL_SCANCODE_INTERNATIONAL1, Key::Ro}, {SDL_SCANCODE_INTERNATIONAL2, Key::Hiragana},
    {SDL_SCANCODE_INTERNATIONAL3, Key::Yen}, {SDL_SCANCODE_INTERNATIONAL4, Key::Henkan},
    {SDL_SCANCODE_INTERNATIONAL5, Key::Muhenkan},

    {SDL_SCANCODE_POWER, Key::Power}, {SDL_SCANCODE_SLEEP, Key::Sleep},
    {SDL_SCANCODE_AUDIOMUTE, Key::AudioMute}, {SDL_SCANCODE_MUTE, Key::AudioMute},
    {SDL_SCANCODE_VOLUMEDOWN, Key::VolumeDown}, {SDL_SCANCODE_VOLUMEUP, Key::VolumeUp},
    {SDL_SCANCODE_AUDIOPLAY, Key::AudioPlay}, {SDL_SCANCODE_AUDIOSTOP, Key::AudioStop},
    {SDL_SCANCODE_AUDIOPREV, Key::AudioPrev}, {SDL_SCANCODE_AUDIONEXT, Key::AudioNext},
};
// clang-format on

}  // namespace

std::optional<Key> key_at(SDL_Scancode code) {
  for (const Place& place : kPlaces) {
    if (place.code == code) return place.key;
  }
  return std::nullopt;
}

}  // namespace doppel::frontend::sdl
