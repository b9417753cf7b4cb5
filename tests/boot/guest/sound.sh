# Loads the driver of the sound card and plays a tone at the card's own rate, then at another.
for module in $(cat /script/order-sound); do
  insmod /script/$module.ko || echo "no $module"
done
for rate in 48000 32000; do
  ./tone $rate
  sleep 1
done
echo "interrupts: $(awk '/snd_intel8x0/ { print ($2 > 4) ? "some" : "none" }' /proc/interrupts)"
echo "sound done"
