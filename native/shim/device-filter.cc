#include "device-filter.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstddef>
#include <cstdlib>
#include <vector>

#include "../base/error.h"
#include "../base/file.h"

namespace {

constexpr int ANY = -1;
constexpr int ALL_ACCESS = BPF_DEVCG_ACC_MKNOD | BPF_DEVCG_ACC_READ | BPF_DEVCG_ACC_WRITE;

struct Rule {
  bool isAllowed;
  int type;
  int major;
  int minor;
  int access;
};

int numberOrAny(const std::string& text, const std::string& rule) {
  if (text == "*") return ANY;
  if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != std::string::npos) failWith("device rule \"" + rule + "\"", EINVAL);
  return atoi(text.c_str());
}

/** `TYPE MAJOR:MINOR ACCESS`, with `!` before it to deny. */
Rule parseRule(const std::string& whole) {
  const bool isAllowed = whole.empty() || whole[0] != '!';
  const std::string text = isAllowed ? whole : whole.substr(1);
  const size_t colon = text.find(':');
  const size_t space = text.find(' ', 2);
  if (text.size() < 7 || (text[0] != 'c' && text[0] != 'b') || text[1] != ' ' || colon == std::string::npos || space == std::string::npos || space < colon) {
    failWith("device rule \"" + text + "\"", EINVAL);
  }
  Rule rule = {isAllowed, text[0] == 'c' ? BPF_DEVCG_DEV_CHAR : BPF_DEVCG_DEV_BLOCK, numberOrAny(text.substr(2, colon - 2), text),
               numberOrAny(text.substr(colon + 1, space - colon - 1), text), 0};
  for (const char letter : text.substr(space + 1)) {
    if (letter == 'r') rule.access |= BPF_DEVCG_ACC_READ;
    else if (letter == 'w') rule.access |= BPF_DEVCG_ACC_WRITE;
    else if (letter == 'm') rule.access |= BPF_DEVCG_ACC_MKNOD;
    else failWith("device rule \"" + text + "\"", EINVAL);
  }
  return rule;
}

enum Register : unsigned char { RESULT = BPF_REG_0, CONTEXT = BPF_REG_1, TYPE = BPF_REG_2, ACCESS = BPF_REG_3, MAJOR = BPF_REG_4, MINOR = BPF_REG_5, SCRATCH = BPF_REG_6 };

bpf_insn instruction(int code, unsigned char destination, unsigned char source, int offset, int immediate) {
  bpf_insn result = {};
  result.code = static_cast<unsigned char>(code);
  result.dst_reg = destination & 15;
  result.src_reg = source & 15;
  result.off = static_cast<short>(offset);
  result.imm = immediate;
  return result;
}

bpf_insn load(unsigned char destination, size_t offset) { return instruction(BPF_LDX | BPF_MEM | BPF_W, destination, CONTEXT, static_cast<int>(offset), 0); }
bpf_insn copy(unsigned char destination, unsigned char source) { return instruction(BPF_ALU | BPF_MOV | BPF_X, destination, source, 0, 0); }
bpf_insn calculate(int operation, unsigned char destination, int immediate) { return instruction(BPF_ALU | operation | BPF_K, destination, 0, 0, immediate); }

void appendReturn(std::vector<bpf_insn>& program, int value) {
  program.push_back(calculate(BPF_MOV, RESULT, value));
  program.push_back(instruction(BPF_JMP | BPF_EXIT, 0, 0, 0, 0));
}

/** Decides when all of the rule's conditions hold; falls through to the next rule when one does not. What is denied is so if any of the access is. */
void appendRule(std::vector<bpf_insn>& program, const Rule& rule) {
  std::vector<size_t> jumps;
  const auto unless = [&](int comparison, unsigned char left, int right) {
    jumps.push_back(program.size());
    program.push_back(instruction(BPF_JMP | comparison | BPF_K, left, 0, 0, right));
  };
  unless(BPF_JNE, TYPE, rule.type);
  program.push_back(copy(SCRATCH, ACCESS));
  program.push_back(calculate(BPF_AND, SCRATCH, rule.isAllowed ? ALL_ACCESS & ~rule.access : rule.access));
  unless(rule.isAllowed ? BPF_JNE : BPF_JEQ, SCRATCH, 0);
  if (rule.major != ANY) unless(BPF_JNE, MAJOR, rule.major);
  if (rule.minor != ANY) unless(BPF_JNE, MINOR, rule.minor);
  appendReturn(program, rule.isAllowed ? 1 : 0);
  for (const size_t jump : jumps) program[jump].off = static_cast<short>(program.size() - jump - 1);
}

std::vector<bpf_insn> compile(const std::vector<std::string>& rules) {
  std::vector<bpf_insn> program;
  program.push_back(load(TYPE, offsetof(bpf_cgroup_dev_ctx, access_type)));
  program.push_back(copy(ACCESS, TYPE));
  program.push_back(calculate(BPF_AND, TYPE, 0xffff));
  program.push_back(calculate(BPF_RSH, ACCESS, 16));
  program.push_back(load(MAJOR, offsetof(bpf_cgroup_dev_ctx, major)));
  program.push_back(load(MINOR, offsetof(bpf_cgroup_dev_ctx, minor)));
  // The last rule that matches counts.
  for (auto rule = rules.rbegin(); rule != rules.rend(); ++rule) appendRule(program, parseRule(*rule));
  appendReturn(program, 0);
  return program;
}

int bpf(int command, bpf_attr& attributes) { return static_cast<int>(syscall(SYS_bpf, command, &attributes, sizeof attributes)); }

bool hasFilter(int cgroup) {
  bpf_attr attributes = {};
  attributes.query.target_fd = static_cast<unsigned>(cgroup);
  attributes.query.attach_type = BPF_CGROUP_DEVICE;
  check(bpf(BPF_PROG_QUERY, attributes), "query device filters");
  return attributes.query.prog_cnt > 0;
}

Fd loadFilter(const std::vector<std::string>& rules) {
  const std::vector<bpf_insn> program = compile(rules);
  bpf_attr attributes = {};
  attributes.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  attributes.insns = reinterpret_cast<uint64_t>(program.data());
  attributes.insn_cnt = static_cast<unsigned>(program.size());
  attributes.license = reinterpret_cast<uint64_t>("Apache-2.0");
  return Fd(check(bpf(BPF_PROG_LOAD, attributes), "load device filter"));
}

}  // namespace

void installDeviceFilter(const std::string& cgroup, const std::vector<std::string>& rules) {
  const Fd folder = openFile(cgroup, O_RDONLY | O_DIRECTORY);
  if (hasFilter(folder.get())) return;
  const Fd filter = loadFilter(rules);
  bpf_attr attributes = {};
  attributes.target_fd = static_cast<unsigned>(folder.get());
  attributes.attach_bpf_fd = static_cast<unsigned>(filter.get());
  attributes.attach_type = BPF_CGROUP_DEVICE;
  // Others may be added below: every one must agree.
  attributes.attach_flags = BPF_F_ALLOW_MULTI;
  check(bpf(BPF_PROG_ATTACH, attributes), "attach device filter to", cgroup);
}
