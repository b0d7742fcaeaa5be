-- Lays out the window of the disk image: osascript dmg-layout.applescript MOUNT-POINT APPLICATION-NAME
on run arguments
	set mountPoint to POSIX file (item 1 of arguments) as alias
	set applicationName to item 2 of arguments
	tell application "Finder"
		open mountPoint
		set imageWindow to container window of folder mountPoint
		set current view of imageWindow to icon view
		set toolbar visible of imageWindow to false
		set statusbar visible of imageWindow to false
		set bounds of imageWindow to {200, 140, 860, 540}
		set viewOptions to icon view options of imageWindow
		set arrangement of viewOptions to not arranged
		set icon size of viewOptions to 128
		set background picture of viewOptions to file ".background:background.png" of folder mountPoint
		set position of item applicationName of folder mountPoint to {180, 190}
		set position of item "Applications" of folder mountPoint to {480, 190}
		update folder mountPoint without registering applications
		delay 1
		close imageWindow
	end tell
end run
