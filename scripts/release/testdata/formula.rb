# Stands for the few parts of Homebrew that lixfix's formula uses: formula.rb FORMULA RELEASE OS ARCH PREFIX installs the
# archive for a system, as Homebrew does, from a directory, and runs the test of the formula where PREFIX/test is wanted.
require "digest"
require "fileutils"
require "tmpdir"

FORMULA, RELEASE, SYSTEM, ARCH, PREFIX, TEST = ARGV

class Directory
  def initialize(path) = @path = path
  def to_s = @path

  def install(*all)
    FileUtils.mkdir_p(@path)
    all.flatten.each do |one|
      (one.is_a?(Hash) ? one : { one => File.basename(one) }).each { |from, to| FileUtils.mv(from, File.join(@path, to)) }
    end
  end

  def install_symlink(links)
    FileUtils.mkdir_p(@path)
    links.each { |from, to| FileUtils.ln_s(from, File.join(@path, to)) }
  end
end

class Formula
  class << self
    %i[desc homepage license].each { |word| define_method(word) { |text| raise "#{word} is empty" if text.empty? } }
    def version(text) = @version = text
    def url(text) = @url = text
    def sha256(text) = @sha256 = text
    def test(&block) = @test = block
    { on_macos: [:SYSTEM, "macos"], on_linux: [:SYSTEM, "linux"], on_arm: [:ARCH, "arm"], on_intel: [:ARCH, "intel"] }.each do |word, (what, is)|
      define_method(word) { |&block| block.call if Object.const_get(what) == is }
    end

    def inherited(formula)
      super
      at_exit { formula.run unless $! }
    end

    def run
      archive = File.join(RELEASE, File.basename(@url))
      raise "#{archive} is not what the formula says" unless Digest::SHA256.file(archive).hexdigest == @sha256
      raise "#{@url} is not of version #{@version}" unless @url.start_with?("https://github.com/lixfix/lixfix/releases/download/v#{@version}/")

      it = new(@version)
      Dir.mktmpdir do |dir|
        system("tar", "-xzf", archive, "-C", dir, exception: true)
        # Homebrew enters the only directory of an archive.
        Dir.chdir(File.join(dir, Dir.children(dir).fetch(0))) { it.install }
      end
      puts it.caveats
      it.instance_eval(&@test) if TEST
    end
  end

  attr_reader :version

  def initialize(version) = @version = version

  {
    bin: "bin", man1: "share/man/man1", man7: "share/man/man7", pkgshare: "share/lixfix", opt_bin: "bin",
    bash_completion: "etc/bash_completion.d", zsh_completion: "share/zsh/site-functions", fish_completion: "share/fish/vendor_completions.d"
  }.each { |word, path| define_method(word) { Directory.new(File.join(PREFIX, path)) } }

  def shell_output(command)
    text = `#{command}`
    raise "#{command} failed: #{$?}" unless $?.success?

    text
  end

  def assert_match(text, all)
    raise "#{text} is not in #{all}" unless all.include?(text)
  end
end

load FORMULA
