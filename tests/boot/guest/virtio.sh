# Loads the drivers of virtio devices and uses all of them; what is read must be what was written.
for module in $(cat /script/order-virtio); do
  insmod /script/$module.ko || echo "no $module"
done
for try in 1 2 3 4 5 6 7 8 9 10; do
  [ -b /dev/vda ] && [ -c /dev/hvc0 ] && break
  sleep 1
done
cd /tmp
seq 1 400000 > numbers
echo "numbers: $(md5sum < numbers | cut -d' ' -f1)"
dd if=numbers of=/dev/vda bs=64k conv=fsync 2>/dev/null
echo 3 > /proc/sys/vm/drop_caches
echo "raw disk: $(head -c $(wc -c < numbers) /dev/vda | md5sum | cut -d' ' -f1)"
mke2fs -q /dev/vda > /dev/null
mkdir -p /mnt
mount -t ext4 /dev/vda /mnt || echo "no mount"
for copy in 1 2 3 4 5 6; do cp numbers /mnt/copy$copy; done
rm /mnt/copy2 /mnt/copy4
sync
echo 3 > /proc/sys/vm/drop_caches
for copy in 1 3 5 6; do echo "copy$copy: $(md5sum < /mnt/copy$copy | cut -d' ' -f1)"; done
umount /mnt
echo "serial: $(cat /sys/block/vda/serial)"
echo "random: $(dd if=/dev/hwrng bs=16 count=4 2>/dev/null | wc -c) bytes of $(cat /sys/class/misc/hw_random/rng_current)"
echo "messages: $(grep -c 'PCI-MSI.*virtio' /proc/interrupts) vectors"
exec 3<> /dev/hvc0
echo "hello from hvc0" >&3
read answer <&3
echo "console heard: $answer"
echo "virtio done"
