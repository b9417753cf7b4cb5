# Reads whatever lies in the CD-ROM drive, again and again, until there is nothing.
for module in $(cat /script/order); do
  insmod /script/$module.ko || echo "no $module"
done
for try in 1 2 3 4 5 6 7 8 9 10; do
  [ -b /dev/sr0 ] && break
  sleep 1
done
while sum=$(head -c 65536 /dev/sr0 2>/dev/null | md5sum) && [ "$sum" != "d41d8cd98f00b204e9800998ecf8427e  -" ]; do
  echo "disc: $sum"
  sleep 1
done
echo "disc: none"
