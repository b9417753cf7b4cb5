# Loads the drivers of IDE disks and works with a disk and a CD: what is read must be what was written.
for module in $(cat /script/order); do
  insmod /script/$module.ko || echo "no $module"
done
for try in 1 2 3 4 5 6 7 8 9 10; do
  [ -b /dev/sda ] && [ -b /dev/sr0 ] && break
  sleep 1
done
cd /tmp
seq 1 400000 > numbers
echo "numbers: $(md5sum < numbers | cut -d' ' -f1)"
dd if=numbers of=/dev/sda bs=64k conv=fsync 2>/dev/null
echo 3 > /proc/sys/vm/drop_caches
echo "raw disk: $(head -c $(wc -c < numbers) /dev/sda | md5sum | cut -d' ' -f1)"
mke2fs -q /dev/sda > /dev/null
mkdir -p /mnt
mount -t ext4 /dev/sda /mnt || echo "no mount"
for copy in 1 2 3 4 5 6; do cp numbers /mnt/copy$copy; done
rm /mnt/copy2 /mnt/copy4
sync
echo 3 > /proc/sys/vm/drop_caches
for copy in 1 3 5 6; do echo "copy$copy: $(md5sum < /mnt/copy$copy | cut -d' ' -f1)"; done
umount /mnt
echo "cd: $(md5sum < /dev/sr0 | cut -d' ' -f1)"
echo "disks done"
